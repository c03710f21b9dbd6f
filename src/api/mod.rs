//! Outside APIs: a table of dialects over one core. Each has a folder; `kit` holds tools any of them may use.

pub mod kit;
pub mod native;
