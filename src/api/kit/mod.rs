//! Tools any dialect may use. Knows no dialect.

pub mod guard;
pub mod invoke;
pub mod problem;
