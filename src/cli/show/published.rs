//! Versions, aliases and webhooks as text.

use super::super::table::{Cell, printable, render};
use super::{moment, pairs, revision};
use crate::api::native::wire::{AliasView, VersionView, WebhookView};

/// `hob versions list`.
pub(crate) fn versions(list: &[VersionView], colours: bool) -> String {
    let row = |v: &VersionView| {
        vec![
            Cell::from(v.number.to_string()),
            Cell::from(v.revision.number.to_string()),
            Cell::from(&v.revision.runtime),
            Cell::whole(&moment(v.created_at_ms)[..16]),
            Cell::from(&v.description),
        ]
    };
    let rows: Vec<_> = list.iter().map(row).collect();
    let head = ["VERSION", "REVISION", "RUNTIME", "PUBLISHED (UTC)", "DESCRIPTION"];
    render(&head, &rows, colours)
}

/// `hob versions get`.
pub(crate) fn version(v: &VersionView) -> String {
    let mut lines = vec![
        ("published", format!("{} at {}", v.number, moment(v.created_at_ms))),
        ("description", printable(&v.description)),
    ];
    lines.extend(revision(&v.revision));
    pairs(&lines)
}

/// `hob alias list`.
pub(crate) fn aliases(list: &[AliasView], colours: bool) -> String {
    let row = |a: &AliasView| {
        vec![
            Cell::from(&a.name),
            Cell::from(&a.function),
            Cell::from(leads_to(a)),
            Cell::whole(&moment(a.updated_at_ms)[..16]),
        ]
    };
    let rows: Vec<_> = list.iter().map(row).collect();
    render(&["NAME", "FUNCTION", "LEADS TO", "UPDATED (UTC)"], &rows, colours)
}

/// `hob alias get`.
pub(crate) fn alias(a: &AliasView) -> String {
    pairs(&[
        ("name", printable(&a.name)),
        ("function", a.function.clone()),
        ("leads to", leads_to(a)),
        ("description", printable(&a.description)),
        ("created", moment(a.created_at_ms)),
        ("updated", moment(a.updated_at_ms)),
    ])
}

/// `version 2, 10 % to version 3`.
fn leads_to(alias: &AliasView) -> String {
    let place = |version: Option<u32>| version.map_or("latest".to_owned(), |n| format!("version {n}"));
    let canary = alias
        .canary
        .map(|c| format!(", {} % to {}", c.percent, place(c.version)));
    place(alias.version) + &canary.unwrap_or_default()
}

/// `hob webhook list`.
pub(crate) fn webhooks(list: &[WebhookView], colours: bool) -> String {
    let row = |w: &WebhookView| {
        vec![
            Cell::whole(&w.id),
            Cell::from(&w.function),
            Cell::from(&w.selector),
            Cell::from(w.signature.as_deref().unwrap_or("-")),
            Cell::from(&w.description),
        ]
    };
    let rows: Vec<_> = list.iter().map(row).collect();
    render(&["ID", "FUNCTION", "CALLS", "SIGNED", "DESCRIPTION"], &rows, colours)
}

/// `hob webhook get`, and what making one says.
pub(crate) fn webhook(w: &WebhookView) -> String {
    let mut lines = vec![
        ("id", w.id.clone()),
        ("url", w.url.clone()),
        ("function", w.function.clone()),
        ("calls", printable(&w.selector)),
        ("signed", w.signature.clone().unwrap_or_else(|| "no".to_owned())),
    ];
    lines.extend(w.secret.iter().map(|secret| ("secret", printable(secret))));
    lines.extend([
        ("description", printable(&w.description)),
        ("created", moment(w.created_at_ms)),
        ("updated", moment(w.updated_at_ms)),
    ]);
    pairs(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::native::wire::CanaryView;

    #[test]
    fn an_alias_says_where_it_leads() {
        let mut alias = AliasView {
            name: "live".to_owned(),
            namespace: "default".to_owned(),
            function: "f".to_owned(),
            version: Some(2),
            canary: None,
            description: String::new(),
            created_at_ms: 0,
            updated_at_ms: 0,
        };
        assert_eq!(leads_to(&alias), "version 2");
        alias.canary = Some(CanaryView {
            version: None,
            percent: 10,
        });
        assert_eq!(leads_to(&alias), "version 2, 10 % to latest");
    }
}
