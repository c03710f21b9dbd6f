//! Tokens for callers of private applications. The oldest root only issues them; the newer ones remember each, without
//! its text, and can revoke it.

use super::applications::{Answer, listed};
use super::asked::Asked;
use super::fault::Fault;
use super::note::{self, Application, Kind};
use super::page::{Listed, Query};
use super::sent::Sent;
use super::space::{self, DIALECT, Space};
use super::{Route, State, alpha, containers_beta, functions_beta, privacy, time};
use crate::api::kit::kept;
use crate::app::App;
use crate::domain::{Timestamp, moment};
use crate::store::DocumentKey;
use axum::Json;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::routing::{delete, get, post};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

const KIND: &str = "token";
/// What is shown of a token after the answer that made it.
const HIDDEN: &str = "<hidden>";

pub(super) fn routes() -> Vec<Route> {
    let mut all = vec![
        (Method::GET, alpha!("/jwt/issue"), get(issue)),
        (Method::GET, functions_beta!("/issue-jwt"), get(issue)),
        (Method::GET, containers_beta!("/issue-jwt"), get(issue)),
    ];
    for [many, one] in [
        [functions_beta!("/tokens"), functions_beta!("/tokens/{id}")],
        [containers_beta!("/tokens"), containers_beta!("/tokens/{id}")],
    ] {
        all.extend([
            (Method::GET, many, get(list)),
            (Method::POST, many, post(create)),
            (Method::GET, one, get(show)),
            (Method::DELETE, one, delete(remove)),
        ]);
    }
    all
}

/// What a token is good for, and until when.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Given {
    function_id: Option<String>,
    container_id: Option<String>,
    namespace_id: Option<String>,
    description: Option<String>,
    expires_at: Option<String>,
}

impl Given {
    fn of_query(query: &Query) -> Self {
        let get = |name| query.get(name).map(str::to_owned);
        Self {
            function_id: get("function_id"),
            container_id: get("container_id"),
            namespace_id: get("namespace_id"),
            description: None,
            expires_at: get("expiration_date").or_else(|| get("expires_at")),
        }
    }

    fn expires_at(&self) -> Result<Option<Timestamp>, Fault> {
        let text = self.expires_at.as_deref().filter(|text| !text.is_empty());
        let read = |text| moment(text, "UTC").map_err(|e| Fault::argument("expiration_date", e.to_string()));
        text.map(read).transpose()
    }

    /// Exactly one of them. Some clients name a container as a function.
    async fn scope(&self, app: &App, asked: &Asked) -> Result<Scope, Fault> {
        let ids = [&self.function_id, &self.container_id, &self.namespace_id];
        match ids.map(|id| id.as_deref().filter(|id| !id.is_empty())) {
            [Some(id), None, None] | [None, Some(id), None] => {
                Ok(Scope::Application(Box::new(note::find(app, asked, id).await?)))
            }
            [None, None, Some(id)] => Ok(Scope::Namespace(Box::new(space::find(app, asked, id).await?))),
            _ => Err(Fault::bad(
                "say exactly one of function_id, container_id and namespace_id",
            )),
        }
    }
}

/// What a token is good for.
#[derive(Debug)]
enum Scope {
    Namespace(Box<Space>),
    Application(Box<Application>),
}

impl Scope {
    fn space(&self) -> &Space {
        match self {
            Self::Namespace(space) => space,
            Self::Application(application) => &application.space,
        }
    }

    /// The namespace's id and the application's: one of them, the other is empty.
    fn ids(&self) -> (String, String) {
        match self {
            Self::Namespace(space) => (space.note.id.clone(), String::new()),
            Self::Application(application) => (String::new(), application.id().to_string()),
        }
    }
}

/// A token that was just signed.
struct Signed {
    jwt: String,
    public_key: String,
    id: String,
}

async fn sign(app: &App, scope: &Scope, expires_at: Option<Timestamp>) -> Result<Signed, Fault> {
    let id = Uuid::new_v4().to_string();
    let claims = claims(scope.ids(), &id, app.now(), expires_at);
    let core = &scope.space().core;
    Ok(Signed {
        jwt: app.sign_token(core, &claims).await?,
        public_key: app.signing_key(core).await?,
        id,
    })
}

/// Source: a token of upstream's, decoded. Unit of its times: seconds.
fn claims(
    (namespace, application): (String, String),
    id: &str,
    now: Timestamp,
    expires_at: Option<Timestamp>,
) -> Value {
    let seconds = |at: Timestamp| at.as_millis().div_euclid(1000);
    let mut claims = json!({
        "application_claim": [{"namespace_id": namespace, "application_id": application}],
        "version": 2,
        "aud": "functions",
        "jti": id,
        "iat": seconds(now),
        "iss": "SCALEWAY",
        "nbf": seconds(now),
        "sub": "token",
    });
    if let Some(at) = expires_at {
        claims["exp"] = seconds(at).into();
    }
    claims
}

async fn issue(Shared(state): Shared<State>, asked: Asked, RawQuery(query): RawQuery) -> Answer {
    let given = Given::of_query(&Query::read(query.as_deref()));
    let scope = given.scope(&state.app, &asked).await?;
    let signed = sign(&state.app, &scope, given.expires_at()?).await?;
    Ok(Json(json!({"token": signed.jwt, "public_key": signed.public_key})))
}

/// A token as it is kept: everything but its text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Note {
    id: String,
    /// Empty where it is good for one application.
    namespace_id: String,
    /// Empty where it is good for a namespace.
    application_id: String,
    is_container: bool,
    description: String,
    /// Unit: UTC milliseconds.
    created_at_ms: i64,
    /// Unit: UTC milliseconds.
    expires_at_ms: Option<i64>,
    /// Good no more, though it would be by its text.
    revoked: bool,
}

impl Listed for Note {
    fn made(&self) -> (Timestamp, String) {
        (Timestamp::from_millis(self.created_at_ms), self.id.clone())
    }

    fn name(&self) -> String {
        self.description.clone()
    }
}

impl Note {
    async fn save(&self, app: &App) -> Result<(), Fault> {
        Ok(app.put_document(key(&self.id), kept::write(KIND, self)?).await?)
    }

    fn view(&self) -> Value {
        let id = |id: &str, is_said: bool| (is_said && !id.is_empty()).then(|| id.to_owned());
        json!({
            "id": self.id,
            "token": HIDDEN,
            "public_key": "",
            "status": "ready",
            "description": self.description,
            "expires_at": self.expires_at_ms.map(Timestamp::from_millis).map(time::show),
            "function_id": id(&self.application_id, !self.is_container),
            "container_id": id(&self.application_id, self.is_container),
            "namespace_id": id(&self.namespace_id, true),
        })
    }

    fn is_for(&self, application: &Application) -> bool {
        self.application_id == application.id().to_string() || self.namespace_id == application.space.note.id
    }
}

fn key(id: &str) -> DocumentKey {
    DocumentKey::new(DIALECT, KIND, id)
}

async fn all(app: &App) -> Result<Vec<Note>, Fault> {
    Ok(kept::all(app, DIALECT, KIND).await?)
}

/// Tokens that an application takes no more, by the ids in them.
pub(super) async fn revoked(app: &App, application: &Application) -> Result<Vec<String>, Fault> {
    let all = all(app).await?.into_iter();
    let gone = all.filter(|note| note.revoked && note.is_for(application));
    Ok(gone.map(|note| note.id).collect())
}

/// Forgets the tokens of a namespace or an application that goes.
pub(super) async fn remove_of(app: &App, id: &str) -> Result<(), Fault> {
    for note in all(app).await? {
        if note.namespace_id == id || note.application_id == id {
            app.delete_document(key(&note.id)).await?;
        }
    }
    Ok(())
}

async fn create(Shared(state): Shared<State>, asked: Asked, Sent(given): Sent<Given>) -> Answer {
    let app = &state.app;
    let scope = given.scope(app, &asked).await?;
    let expires_at = given.expires_at()?;
    let signed = sign(app, &scope, expires_at).await?;
    let (namespace_id, application_id) = scope.ids();
    let note = Note {
        id: signed.id,
        namespace_id,
        application_id,
        is_container: matches!(&scope, Scope::Application(one) if one.note.kind == Kind::Container),
        description: given.description.clone().unwrap_or_default(),
        created_at_ms: app.now().as_millis(),
        expires_at_ms: expires_at.map(Timestamp::as_millis),
        revoked: false,
    };
    note.save(app).await?;
    let mut view = note.view();
    view["token"] = signed.jwt.into();
    view["public_key"] = signed.public_key.into();
    Ok(Json(view))
}

async fn list(Shared(state): Shared<State>, asked: Asked, RawQuery(query): RawQuery) -> Answer {
    let query = Query::read(query.as_deref());
    let mut found = Vec::new();
    for note in all(&state.app).await? {
        let named = ["function_id", "container_id"]
            .into_iter()
            .all(|name| query.admits(name, &note.application_id));
        if named && query.admits("namespace_id", &note.namespace_id) && is_shown(&state.app, &asked, &note).await? {
            found.push(note);
        }
    }
    let (page, total) = query.page(found)?;
    Ok(listed("tokens", page.iter().map(Note::view).collect(), total))
}

/// Whether it is good and for something that the request may see.
async fn is_shown(app: &App, asked: &Asked, note: &Note) -> Result<bool, Fault> {
    let seen = match note.namespace_id.is_empty() {
        true => note::find(app, asked, &note.application_id).await.map(drop),
        false => space::find(app, asked, &note.namespace_id).await.map(drop),
    };
    match seen {
        Ok(()) => Ok(!note.revoked),
        Err(fault) if fault.status == http::StatusCode::NOT_FOUND => Ok(false),
        Err(fault) => Err(fault),
    }
}

async fn find(app: &App, asked: &Asked, id: &str) -> Result<Note, Fault> {
    let missing = || Fault::missing("Token");
    let text = app.document(key(id)).await?.ok_or_else(missing)?;
    let note: Note = kept::read(KIND, &text)?;
    is_shown(app, asked, &note).await?.then_some(note).ok_or_else(missing)
}

async fn show(Shared(state): Shared<State>, asked: Asked, Path((_, id)): Path<(String, String)>) -> Answer {
    Ok(Json(find(&state.app, &asked, &id).await?.view()))
}

/// Revokes it: its id is remembered, since its text is good until it expires.
async fn remove(Shared(state): Shared<State>, asked: Asked, Path((_, id)): Path<(String, String)>) -> Answer {
    let app = &state.app;
    let mut note = find(app, &asked, &id).await?;
    note.revoked = true;
    note.save(app).await?;
    for application in note::of_spaces(app, space::all(app).await?).await? {
        if note.is_for(&application) {
            let _changing = state.turns.take(&application.id().to_string()).await;
            privacy::revoke(app, &application).await?;
        }
    }
    let mut view = note.view();
    view["status"] = "deleting".into();
    Ok(Json(view))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_what_it_is_good_for_in_one_element() {
        let now = Timestamp::from_millis(1_500);
        let claims = claims(
            (String::new(), "f".to_owned()),
            "id",
            now,
            Some(Timestamp::from_millis(9_999)),
        );
        let expected = json!({
            "application_claim": [{"namespace_id": "", "application_id": "f"}],
            "version": 2, "aud": "functions", "jti": "id", "iat": 1, "nbf": 1, "exp": 9, "iss": "SCALEWAY", "sub": "token",
        });
        assert_eq!(claims, expected);
    }

    #[test]
    fn a_token_without_an_end_has_no_time_for_it() {
        let claims = claims(("n".to_owned(), String::new()), "id", Timestamp::from_millis(0), None);
        assert!(claims.get("exp").is_none());
    }
}
