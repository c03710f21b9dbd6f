//! Crons: an application on a schedule, in UTC. The core fires them: a POST to `/` with the arguments as its body. Such
//! calls come from within, so that private applications take them too.

use super::applications::{Answer, listed};
use super::asked::{Asked, Root};
use super::fault::Fault;
use super::note::{self, Application, Kind};
use super::page::{Listed, Query};
use super::sent::Sent;
use super::{Route, State, alpha, containers_beta, functions_beta, space, wire};
use crate::app::{App, JobUpdate, NewJob};
use crate::domain::{
    Error, FunctionId, Job, JobChange, JobId, JobState, Missed, Overlap, Schedule, Selector, Timestamp,
};
use crate::store::{AsyncInput, JobFilter};
use axum::Json;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::routing::{delete, get, patch, post};
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// The fields of a schedule: minute, hour, day, month, weekday.
const FIELDS: usize = 5;
const ZONE: &str = "UTC";

pub(super) fn routes() -> Vec<Route> {
    let roots = [
        [alpha!("/crons"), alpha!("/crons/{id}")],
        [functions_beta!("/crons"), functions_beta!("/crons/{id}")],
        [containers_beta!("/crons"), containers_beta!("/crons/{id}")],
    ];
    let of_root = |[all, one]: [&'static str; 2]| {
        [
            (Method::GET, all, get(list)),
            (Method::POST, all, post(create)),
            (Method::GET, one, get(show)),
            (Method::PATCH, one, patch(update)),
            (Method::DELETE, one, delete(remove)),
        ]
    };
    roots.into_iter().flat_map(of_root).collect()
}

/// A body of create or update.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Given {
    application_id: Option<String>,
    function_id: Option<String>,
    container_id: Option<String>,
    schedule: Option<String>,
    args: Option<Map<String, Value>>,
    name: Option<String>,
}

impl Given {
    fn application(&self) -> Option<&str> {
        let ids = [&self.application_id, &self.function_id, &self.container_id];
        ids.into_iter().flatten().map(String::as_str).next()
    }

    fn schedule(&self) -> Result<Option<Schedule>, Fault> {
        self.schedule.as_deref().map(schedule).transpose()
    }
}

fn schedule(text: &str) -> Result<Schedule, Fault> {
    if text.split_whitespace().count() != FIELDS {
        let help = format!("`{text}` has not five fields (minute hour day month weekday)");
        return Err(Fault::argument("schedule", help));
    }
    Schedule::cron(text, ZONE).map_err(|e| Fault::argument("schedule", e.to_string()))
}

/// What a firing sends.
fn input(args: &Map<String, Value>) -> AsyncInput {
    AsyncInput {
        method: Method::POST.to_string(),
        path: "/".to_owned(),
        query: String::new(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Value::Object(args.clone()).to_string().into_bytes(),
    }
}

/// A cron with what it belongs to.
struct Cron {
    job: Job,
    kind: Kind,
}

impl Listed for Cron {
    fn made(&self) -> (Timestamp, String) {
        (self.job.created_at, self.job.id.to_string())
    }

    fn name(&self) -> String {
        self.job.name.clone()
    }
}

async fn create(Shared(state): Shared<State>, asked: Asked, Sent(given): Sent<Given>) -> Answer {
    let id = given.application().unwrap_or_default();
    let application = note::find(&state.app, &asked, id).await?;
    let schedule = given
        .schedule()?
        .ok_or_else(|| Fault::argument("schedule", "a cron needs one"))?;
    let job = state.app.create_job(NewJob {
        namespace: application.space.core.clone(),
        name: given.name.clone().unwrap_or_default(),
        function: application.id(),
        selector: Selector::Current,
        schedule,
        first_at: None,
        count: None,
        input: input(&given.args.unwrap_or_default()),
        missed: Some(Missed::Skip),
        overlap: Overlap::Allow,
    });
    let kind = application.note.kind;
    let cron = Cron { job: job.await?, kind };
    Ok(Json(view(&state.app, &asked, &cron).await?))
}

async fn list(Shared(state): Shared<State>, asked: Asked, RawQuery(query): RawQuery) -> Answer {
    let app = &state.app;
    let query = Query::read(query.as_deref());
    let named = ["application_id", "function_id", "container_id"];
    let wanted = named.into_iter().find_map(|name| query.get(name));
    let found = match wanted {
        Some(id) => of_application(app, &asked, id).await?,
        None => of_all(app, &asked).await?,
    };
    let (page, total) = query.page(found)?;
    let mut views = Vec::new();
    for cron in &page {
        views.push(view(app, &asked, cron).await?);
    }
    Ok(listed("crons", views, total))
}

/// None, where there is no such application: clients ask right after they have removed one.
async fn of_application(app: &App, asked: &Asked, id: &str) -> Result<Vec<Cron>, Fault> {
    let application = match note::find(app, asked, id).await {
        Err(fault) if fault.status == http::StatusCode::NOT_FOUND => return Ok(Vec::new()),
        found => found?,
    };
    let filter = JobFilter {
        function: Some(application.id()),
        ..JobFilter::default()
    };
    let jobs = app.list_jobs(filter).await?;
    let kind = application.note.kind;
    Ok(jobs.into_iter().filter(is_cron).map(|job| Cron { job, kind }).collect())
}

async fn of_all(app: &App, asked: &Asked) -> Result<Vec<Cron>, Fault> {
    let spaces = space::shown(app, asked).await?;
    let applications = note::of_spaces(app, spaces).await?;
    let kinds: HashMap<FunctionId, Kind> = applications.iter().map(|one| (one.id(), one.note.kind)).collect();
    let fits = |kind: Kind| match asked.root {
        Root::Alpha => true,
        Root::Functions => kind == Kind::Function,
        Root::Containers => kind == Kind::Container,
    };
    let jobs = app.list_jobs(JobFilter::default()).await?.into_iter().filter(is_cron);
    let crons = jobs.filter_map(|job| {
        let kind = *kinds.get(&job.function)?;
        fits(kind).then_some(Cron { job, kind })
    });
    Ok(crons.collect())
}

/// Jobs of another form were made through another API.
fn is_cron(job: &Job) -> bool {
    matches!(job.schedule, Schedule::Cron(_))
}

async fn find(app: &App, asked: &Asked, id: &str) -> Result<(Cron, Application), Fault> {
    let missing = || Fault::missing("Cron");
    let job = match app.job(JobId::parse(id).ok_or_else(missing)?).await {
        Err(Error::NotFound(_)) => return Err(missing()),
        found => found?,
    };
    let application = note::by_id(app, job.function).await?;
    let application = application.filter(|one| one.space.is_shown_to(asked) && is_cron(&job));
    let application = application.ok_or_else(missing)?;
    let kind = application.note.kind;
    Ok((Cron { job, kind }, application))
}

async fn show(Shared(state): Shared<State>, asked: Asked, Path((_, id)): Path<(String, String)>) -> Answer {
    let (cron, _) = find(&state.app, &asked, &id).await?;
    Ok(Json(view(&state.app, &asked, &cron).await?))
}

async fn update(
    Shared(state): Shared<State>,
    asked: Asked,
    Path((_, id)): Path<(String, String)>,
    Sent(given): Sent<Given>,
) -> Answer {
    let (cron, application) = find(&state.app, &asked, &id).await?;
    if given.application().is_some_and(|id| id != application.id().to_string()) {
        let help = "a cron stays with its application: delete it and make one for the other";
        return Err(Fault::argument("application_id", help));
    }
    let change = JobUpdate {
        change: JobChange {
            name: given.name.clone(),
            schedule: given.schedule()?,
            ..JobChange::default()
        },
        input: given.args.as_ref().map(input),
    };
    let job = state.app.update_job(cron.job.id, change).await?;
    let cron = Cron { job, ..cron };
    Ok(Json(view(&state.app, &asked, &cron).await?))
}

async fn remove(Shared(state): Shared<State>, asked: Asked, Path((_, id)): Path<(String, String)>) -> Answer {
    let (cron, _) = find(&state.app, &asked, &id).await?;
    let mut view = view(&state.app, &asked, &cron).await?;
    view["status"] = "deleting".into();
    state.app.delete_job(cron.job.id).await?;
    Ok(Json(view))
}

async fn view(app: &App, asked: &Asked, cron: &Cron) -> Result<Value, Fault> {
    let Cron { job, kind } = cron;
    let input = app.job_input(job.id).await?;
    let args: Map<String, Value> = serde_json::from_slice(&input.body).unwrap_or_default();
    let old = wire::Cron {
        id: job.id.to_string(),
        application_id: job.function.to_string(),
        schedule: match &job.schedule {
            Schedule::Cron(cron) => cron.pattern().to_owned(),
            _ => String::new(),
        },
        args: Value::Object(args),
        status: status(job.state),
    };
    let view = match asked.root.is_beta() {
        false => serde_json::to_value(old),
        true => serde_json::to_value(beta(old, *kind, job)),
    };
    Ok(view.map_err(|e| Error::internal("a view cannot be written", e))?)
}

fn beta(old: wire::Cron, kind: Kind, job: &Job) -> wire::BetaCron {
    let of = |wanted: Kind| (kind == wanted).then(|| old.application_id.clone());
    wire::BetaCron {
        function_id: of(Kind::Function),
        container_id: of(Kind::Container),
        id: old.id,
        schedule: old.schedule,
        args: old.args,
        status: old.status,
        name: job.name.clone(),
    }
}

fn status(state: JobState) -> &'static str {
    match state {
        JobState::Active => "ready",
        JobState::Paused | JobState::Cancelled => "locked",
        JobState::Done | JobState::Failed => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_has_five_fields_and_is_of_utc() {
        for good in ["1 * * * *", "*/5 0-6 1,15 JAN-MAR SUN", "0 0 * * 7"] {
            assert!(schedule(good).is_ok(), "{good}");
        }
        for bad in ["", "* * * *", "* * * * * *", "@hourly", "61 * * * *"] {
            let refused = schedule(bad).expect_err(bad);
            assert_eq!(refused.status, http::StatusCode::BAD_REQUEST, "{bad}");
        }
    }

    #[test]
    fn a_firing_posts_the_arguments_as_they_were_sent() {
        let args: Map<String, Value> = serde_json::from_str(r#"{"k":"v","n":1}"#).expect("an object");
        let input = input(&args);
        assert_eq!((input.method.as_str(), input.path.as_str()), ("POST", "/"));
        assert_eq!(input.body, br#"{"k":"v","n":1}"#);
    }
}
