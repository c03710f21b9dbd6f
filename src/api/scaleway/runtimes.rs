//! The runtimes that functions may name: each family of the core under its names, with each version and without one, and
//! the versions that are only still named.

use super::applications::Answer;
use super::given::usual_handler;
use super::{Route, State, alpha, functions_beta, wire};
use crate::app::App;
use crate::domain::{Convention, Error};
use crate::runtime::Family;
use axum::Json;
use axum::extract::State as Shared;
use axum::routing::get;
use http::Method;
use serde_json::{Value, json};

pub(super) fn routes() -> Vec<Route> {
    vec![
        (Method::GET, alpha!("/runtimes"), get(names)),
        (Method::GET, functions_beta!("/runtimes"), get(list)),
    ]
}

async fn names(Shared(state): Shared<State>) -> Json<Value> {
    let names: Vec<_> = all(&state.app).into_iter().map(|runtime| runtime.name).collect();
    Json(json!({"runtimes": names}))
}

async fn list(Shared(state): Shared<State>) -> Answer {
    let all = all(&state.app);
    let total = all.len();
    let all = serde_json::to_value(all).map_err(|e| Error::internal("a view cannot be written", e))?;
    Ok(Json(json!({"runtimes": all, "total_count": total})))
}

fn all(app: &App) -> Vec<wire::Runtime> {
    let families = app.runtimes().families().iter();
    let callable = families.filter(|f| !f.manifest.bring_image && f.conventions.contains(&Convention::EventContext));
    callable.flat_map(of_family).collect()
}

fn of_family(family: &Family) -> Vec<wire::Runtime> {
    let manifest = &family.manifest;
    let names: Vec<_> = std::iter::once(&manifest.name).chain(&manifest.aliases).collect();
    let plain = names
        .iter()
        .map(|name| runtime(family, (*name).clone(), &manifest.default_version, None));
    // A number behind a number would be another version.
    let stems: Vec<_> = names
        .iter()
        .filter(|name| !name.ends_with(|c: char| c.is_ascii_digit()))
        .collect();
    let offered = manifest.version.iter().map(|version| (&version.name, None));
    let retired = manifest
        .retired
        .iter()
        .map(|version| (version, Some("the nearest version on offer is used")));
    let numbered = offered.chain(retired).filter(|(version, _)| is_number(version));
    let numbered = numbered.flat_map(|(version, notice)| {
        let digits = version.replace('.', "");
        stems
            .iter()
            .map(move |stem| runtime(family, format!("{stem}{digits}"), version, notice))
    });
    plain.chain(numbered).collect()
}

fn is_number(version: &str) -> bool {
    version.starts_with(|c: char| c.is_ascii_digit())
}

fn runtime(family: &Family, name: String, version: &str, notice: Option<&str>) -> wire::Runtime {
    let manifest = &family.manifest;
    wire::Runtime {
        name,
        language: capitalised(&manifest.name),
        version: version.to_owned(),
        default_handler: usual_handler(family),
        code_sample: String::new(),
        status: if notice.is_some() { "deprecated" } else { "available" },
        status_message: notice.unwrap_or_default().to_owned(),
        extension: manifest.extension.trim_start_matches('.').to_owned(),
        implementation: String::new(),
        logo_url: String::new(),
    }
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_called_by_its_name() {
        assert_eq!((capitalised("abc").as_str(), capitalised("").as_str()), ("Abc", ""));
        assert!(is_number("3.11") && !is_number("stable"));
    }
}
