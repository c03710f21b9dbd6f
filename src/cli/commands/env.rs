//! `env`: the variables of a project's function, where each comes from, and whether the daemon has them so.

use super::{Context, project};
use crate::api::native::wire::FunctionView;
use crate::cli::client::Call;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::project::{Function, masked};
use crate::cli::table::{Cell, render};
use http::Method;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What stands for a secret whose value only the daemon knows.
const HIDDEN: &str = "********";

/// A variable, for people and programs. Secrets are masked in both.
#[derive(Serialize)]
struct Variable {
    name: String,
    value: String,
    /// The file it is from; absent when only the daemon has it.
    from: Option<String>,
    /// The files whose value it hides, the nearest first.
    hides: Vec<String>,
    /// `same`, `differs` or `missing`, and `only` where no file has it; absent when no daemon has the function.
    deployed: Option<&'static str>,
}

pub(super) async fn env(context: &mut Context<'_>, name: Option<&str>) -> Result<Exit, Failure> {
    let project = project::read(PathBuf::from(".")).await?;
    project::choose_namespace(context, &project);
    let function = chosen(project.functions, name)?;
    let deployed = deployed(context, &function).await;
    let variables = variables(&function, deployed.as_ref());
    context.output.value(&variables, |colours| table(&variables, colours))?;
    let behind = |v: &&Variable| matches!(v.deployed, Some("differs" | "missing" | "only"));
    match deployed {
        None => context
            .output
            .note(&format!("`{}` is not deployed, or no daemon answers", function.name)),
        Some(_) if variables.iter().any(|v| behind(&v)) => {
            context
                .output
                .note("the daemon has other values; `hob deploy` brings these");
        }
        Some(_) => {}
    }
    Ok(Exit::Ok)
}

fn chosen(functions: Vec<Function>, name: Option<&str>) -> Result<Function, Failure> {
    let names: Vec<_> = functions.iter().map(|function| function.name.clone()).collect();
    let mut fitting = functions
        .into_iter()
        .filter(|function| name.is_none_or(|name| function.name == name));
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(
            Failure::usage(format!("the project has no function `{}`", name.unwrap_or_default()))
                .hint(format!("it has {}", names.join(", "))),
        ),
        _ => Err(Failure::usage("the project has several functions").hint(format!("name one: {}", names.join(", ")))),
    }
}

/// What is shown without a daemon is worth showing.
async fn deployed(context: &Context<'_>, function: &Function) -> Option<BTreeMap<String, String>> {
    let target = context.function_path(&function.name, &[], &[]);
    let answer = context.client.ask(Call::new(Method::GET, target)).await.ok()?;
    let mut view: FunctionView = answer.document().await.ok()?;
    let same = project::same_secrets(context, function, &view).await.ok()?;
    let mut all = std::mem::take(&mut view.latest.env);
    for name in view.latest.secrets {
        let own = function.env.get(&name).filter(|_| same.contains(&name));
        all.insert(name, own.map_or(HIDDEN.to_owned(), |own| own.text.clone()));
    }
    Some(all)
}

fn variables(function: &Function, deployed: Option<&BTreeMap<String, String>>) -> Vec<Variable> {
    let env = &function.env;
    let names: BTreeSet<&String> = env
        .iter()
        .map(|(name, _)| name)
        .chain(deployed.into_iter().flat_map(|d| d.keys()))
        .collect();
    let variable = |name: &String| {
        let there = deployed.map(|deployed| deployed.get(name));
        let own = env.get(name);
        let text = own.map(|own| own.text.as_str()).or(there.flatten().map(String::as_str));
        Variable {
            value: masked(name, text.unwrap_or_default(), own.is_some_and(|own| own.secret)),
            from: own.map(|own| own.origin.clone()),
            hides: own.map(|own| own.hides.clone()).unwrap_or_default(),
            deployed: there.map(|there| match (own, there) {
                (Some(own), Some(there)) if own.text == *there => "same",
                (Some(_), Some(_)) => "differs",
                (Some(_), None) => "missing",
                (None, _) => "only",
            }),
            name: name.clone(),
        }
    };
    names.into_iter().map(variable).collect()
}

fn table(variables: &[Variable], colours: bool) -> String {
    let rows = variables.iter().map(|v| {
        let from = v.from.as_deref().unwrap_or("the daemon only");
        let hides = match &v.hides[..] {
            [] => String::new(),
            hides => format!(", hides {}", hides.join(", ")),
        };
        vec![
            Cell::whole(&v.name),
            Cell::from(&v.value),
            Cell::from(format!("{from}{hides}")),
            Cell::from(v.deployed.unwrap_or("-")),
        ]
    });
    render(
        &["NAME", "VALUE", "FROM", "DEPLOYED"],
        &rows.collect::<Vec<_>>(),
        colours,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variable_says_where_it_is_from_and_whether_the_daemon_has_it() {
        let mut function = Function::default();
        function.env.set("A", "1".to_owned(), "hob.toml".to_owned());
        function.env.set("A", "2".to_owned(), ".env:1".to_owned());
        function.env.set("API_KEY", "hush".to_owned(), ".env:2".to_owned());
        function.env.set("B", "1".to_owned(), "hob.toml".to_owned());
        let deployed = [("A", "2"), ("B", "9"), ("OLD_TOKEN", "hush")];
        let deployed = deployed.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let all = variables(&function, Some(&deployed));
        let said: Vec<_> = all
            .iter()
            .map(|v| (v.name.as_str(), v.value.as_str(), v.deployed))
            .collect();
        let expect = [
            ("A", "2", Some("same")),
            ("API_KEY", "********", Some("missing")),
            ("B", "1", Some("differs")),
            ("OLD_TOKEN", "********", Some("only")),
        ];
        assert_eq!(said, expect);
        assert_eq!(
            (all[0].from.as_deref(), &all[0].hides[..]),
            (Some(".env:1"), &["hob.toml".to_owned()][..])
        );
        assert!(!table(&all, false).contains("hush"));
        assert!(variables(&function, None).iter().all(|v| v.deployed.is_none()));
    }
}
