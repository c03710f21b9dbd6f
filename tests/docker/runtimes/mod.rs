//! The same cases on every language of `runtimes/`, through a real daemon on a real engine.
//!
//! It knows no language by name: a folder with `samples/conformance/` is one more column of the table. A case that a
//! runtime cannot have is named in that folder with its reason; whatever is not named must pass.

mod calls;
mod cases;
mod language;
mod stage;
mod table;

use crate::helpers::{Daemon, Home, build_settings};
use crate::support::root;
use anyhow::{Context, Result};
use cases::Case;
use futures_util::future::join_all;
use hob::runtime::Runtimes;
use language::Language;
use stage::{Images, Stage};
use std::io::Write;
use table::{Cell, Table};

#[tokio::test(flavor = "multi_thread")]
async fn every_runtime_does_the_same() {
    let daemon = Daemon::start_with(&Home::new(), &build_settings()).await;
    let languages = languages().unwrap_or_else(|error| panic!("{error:#}"));
    let images = Images::of(&daemon);
    let columns = join_all(languages.iter().map(|language| column(&daemon, &images, language))).await;
    let table = Table::new(columns.into_iter().flatten().collect());
    // Not by `eprintln!`, which nobody sees when a test passes: what is missing must be seen then too.
    let _ = write!(std::io::stderr(), "\n{table}");
    drop(images);
    assert!(table.is_good(), "{table}\n{}", daemon.log());
    daemon.purge().await;
}

/// The languages there are, and servers in images.
fn languages() -> Result<Vec<Language>> {
    let runtimes = Runtimes::read(&root().join("runtimes")).context("the runtimes")?;
    runtimes.families().iter().map(Language::read).collect()
}

/// All cases of one language, in its conventions, one after the other; languages take no turns.
async fn column(daemon: &Daemon, images: &Images, language: &Language) -> Vec<Cell> {
    let stage = match Stage::set(daemon, images, language).await {
        Ok(stage) => stage,
        Err(error) => return vec![Cell::unusable(language, &error)],
    };
    let mut cells = Vec::new();
    for convention in language.conventions() {
        for case in Case::ALL {
            cells.push(Cell::of(&stage, case, convention).await);
        }
    }
    cells
}
