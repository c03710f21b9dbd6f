//! Tools any dialect may use. Knows no dialect.

mod attempts;
pub mod browser;
pub mod credentials;
pub mod event_answer;
mod event_headers;
pub mod function_log;
pub mod guard;
pub mod invoke;
pub mod kept;
pub mod problem;
