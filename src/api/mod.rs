//! Outside APIs: a table of dialects over one core. Each has a folder; `kit` holds tools any of them may use.

pub mod kit;
pub mod native;
mod qinling;

use crate::app::App;
use axum::Router;
use std::sync::Arc;

/// What every dialect works with; clones share it.
#[derive(Debug, Clone)]
pub struct Dialect {
    /// The application.
    pub app: App,
    /// Where the daemon answers, as `http://HOST:PORT`.
    pub base_url: Arc<str>,
}

/// The outside APIs beside the native one, each below its own paths.
pub fn dialects(state: &Dialect) -> Router {
    Router::new().merge(qinling::router(state.clone()))
}
