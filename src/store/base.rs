//! A user's base between the house's type and its column: JSON.

use super::secrets::unwritable;
use crate::domain::{Base, Step};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct BaseColumn {
    image: String,
    steps: Vec<String>,
}

pub(super) fn write_base(base: &Base) -> rusqlite::Result<String> {
    let column = BaseColumn {
        image: base.image.clone(),
        steps: base.steps.iter().map(Step::to_string).collect(),
    };
    serde_json::to_string(&column).map_err(unwritable)
}

pub(super) fn read_base(text: &str) -> Result<Base, String> {
    let column: BaseColumn = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let steps = column.steps.iter().map(|step| Step::parse(step));
    Ok(Base {
        image: column.image,
        steps: steps.collect::<Result<_, _>>().map_err(|e| e.to_string())?,
    })
}
