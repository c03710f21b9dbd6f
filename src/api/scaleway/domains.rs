//! Custom domains: host names that lead to an application. The core's gateways are what is kept: one a domain, under its id.

use super::applications::{Answer, listed};
use super::asked::Asked;
use super::fault::Fault;
use super::note::{self, Application, Kind};
use super::page::{Listed, Query};
use super::sent::Sent;
use super::{Route, State, containers_beta, functions_beta, space};
use crate::app::{App, GatewayError};
use crate::domain::{Error, FunctionName, Gateway, GatewaySpec, HostName, Timestamp};
use axum::Json;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::routing::{delete, get, post};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

pub(super) fn routes() -> Vec<Route> {
    let roots = [
        [functions_beta!("/domains"), functions_beta!("/domains/{id}")],
        [containers_beta!("/domains"), containers_beta!("/domains/{id}")],
    ];
    let of_root = |[all, one]: [&'static str; 2]| {
        [
            (Method::GET, all, get(list)),
            (Method::POST, all, post(create)),
            (Method::GET, one, get(show)),
            (Method::DELETE, one, delete(remove)),
        ]
    };
    roots.into_iter().flat_map(of_root).collect()
}

/// A body of create.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Given {
    hostname: Option<String>,
    function_id: Option<String>,
    container_id: Option<String>,
}

/// A domain: a gateway, and the application it leads to.
struct Domain {
    gateway: Gateway,
    application: Application,
}

impl Listed for Domain {
    fn made(&self) -> (Timestamp, String) {
        (self.gateway.created_at, self.gateway.spec.name.to_string())
    }

    fn name(&self) -> String {
        self.hostname()
    }
}

impl Domain {
    fn hostname(&self) -> String {
        self.gateway
            .spec
            .hosts
            .first()
            .map_or_else(String::new, ToString::to_string)
    }

    fn view(&self, asked: &Asked) -> Value {
        let hostname = self.hostname();
        let scheme = if asked.is_secure { "https" } else { "http" };
        let port = asked
            .host
            .rsplit_once(':')
            .map_or_else(String::new, |(_, port)| format!(":{port}"));
        let application = self.application.id().to_string();
        let key = match self.application.note.kind {
            Kind::Function => "function_id",
            Kind::Container => "container_id",
        };
        json!({
            "id": self.gateway.spec.name.as_str(),
            "url": format!("{scheme}://{hostname}{port}"),
            "hostname": hostname,
            key: application,
            "status": "ready",
            "error_message": null,
        })
    }
}

async fn create(Shared(state): Shared<State>, asked: Asked, Sent(given): Sent<Given>) -> Answer {
    let app = &state.app;
    let id = given
        .function_id
        .as_deref()
        .or(given.container_id.as_deref())
        .unwrap_or_default();
    let application = note::find(app, &asked, id).await?;
    let host = HostName::parse(given.hostname.as_deref().unwrap_or_default());
    let host = host.map_err(|e| Fault::argument("hostname", e.to_string()))?;
    let name = FunctionName::parse(&Uuid::new_v4().to_string())?;
    let function = application.function.name.clone();
    let made = app.create_gateway(GatewaySpec::domain(
        application.space.core.clone(),
        name,
        host,
        function,
    ));
    let gateway = made.await.map_err(|error| match error {
        GatewayError::Other(other) => Fault::from(other),
        taken => Fault::exists(taken.to_string(), "domain"),
    })?;
    let gateway = gateway.as_ref().clone();
    Ok(Json(Domain { gateway, application }.view(&asked)))
}

async fn list(Shared(state): Shared<State>, asked: Asked, RawQuery(query): RawQuery) -> Answer {
    let query = Query::read(query.as_deref());
    let mut found = all(&state.app, &asked).await?;
    found.retain(|domain| {
        let id = domain.application.id().to_string();
        query.admits("function_id", &id) && query.admits("container_id", &id)
    });
    let (page, total) = query.page(found)?;
    Ok(listed(
        "domains",
        page.iter().map(|domain| domain.view(&asked)).collect(),
        total,
    ))
}

async fn all(app: &App, asked: &Asked) -> Result<Vec<Domain>, Fault> {
    let spaces = space::shown(app, asked).await?;
    let mut found = Vec::new();
    for application in note::of_spaces(app, spaces).await? {
        for gateway in of(app, &application) {
            let application = application.clone();
            found.push(Domain { gateway, application });
        }
    }
    Ok(found)
}

/// Those gateways to an application that are its domains.
fn of(app: &App, application: &Application) -> Vec<Gateway> {
    let all = app.gateways_to(&application.function.namespace, &application.function.name);
    let domains = all
        .into_iter()
        .filter(|gateway| Uuid::try_parse(gateway.spec.name.as_str()).is_ok());
    domains.map(|gateway| gateway.as_ref().clone()).collect()
}

async fn find(app: &App, asked: &Asked, id: &str) -> Result<Domain, Fault> {
    let found = all(app, asked).await?.into_iter();
    let mut found = found.filter(|domain| domain.gateway.spec.name.as_str() == id);
    found.next().ok_or_else(|| Fault::missing("Domain"))
}

async fn show(Shared(state): Shared<State>, asked: Asked, Path((_, id)): Path<(String, String)>) -> Answer {
    Ok(Json(find(&state.app, &asked, &id).await?.view(&asked)))
}

async fn remove(Shared(state): Shared<State>, asked: Asked, Path((_, id)): Path<(String, String)>) -> Answer {
    let domain = find(&state.app, &asked, &id).await?;
    let mut view = domain.view(&asked);
    view["status"] = "deleting".into();
    let spec = &domain.gateway.spec;
    state.app.delete_gateway(&spec.namespace, &spec.name).await?;
    Ok(Json(view))
}

/// Removes the domains of an application that goes.
pub(super) async fn remove_of(app: &App, application: &Application) -> Result<(), Fault> {
    for gateway in of(app, application) {
        match app.delete_gateway(&gateway.spec.namespace, &gateway.spec.name).await {
            Ok(()) | Err(Error::NotFound(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Ok(())
}
