//! A revision's rule for pages of other origins, as the text of one column.

use super::secrets::unwritable;
use crate::domain::Cors;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(remote = "Cors")]
struct Column {
    origins: Vec<String>,
    methods: Vec<String>,
    headers: Vec<String>,
    exposed: Vec<String>,
    credentials: bool,
    max_age_seconds: u32,
}

pub(super) fn write_cors(cors: &Cors) -> rusqlite::Result<String> {
    let value = Column::serialize(cors, serde_json::value::Serializer);
    Ok(value.map_err(unwritable)?.to_string())
}

pub(super) fn read_cors(text: &str) -> Result<Cors, serde_json::Error> {
    Column::deserialize(&mut serde_json::Deserializer::from_str(text))
}
