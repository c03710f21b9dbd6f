//! Fetching code that a deploy names instead of sending it.

use super::{App, Upload};
use crate::domain::Error;
use crate::source::{FetchError, SourceSpec};
use crate::telemetry::chain;

impl App {
    /// Fetches code into the store; nothing is left of what did not come whole and right.
    ///
    /// # Errors
    /// `Invalid` for what cannot be fetched from there, also where no store of objects is configured; `NotFound`,
    /// `TooLarge`; `Internal` when our own store of objects, or our disk, does not work.
    pub async fn fetch(&self, spec: SourceSpec) -> Result<Upload, Error> {
        let mut fetched = self.0.sources.open(spec).await.map_err(domain_error)?;
        let mut writer = self.begin_upload().await?;
        while let Some(piece) = fetched.piece().await.map_err(domain_error)? {
            writer.write(&piece).await?;
        }
        Ok(Upload {
            digest: writer.finish().await?,
            file_name: fetched.file_name,
        })
    }

    /// Whether there is a store of objects.
    #[must_use]
    pub fn has_object_store(&self) -> bool {
        self.0.sources.has_store()
    }
}

fn domain_error(error: FetchError) -> Error {
    match error {
        FetchError::NotFound(_) => Error::NotFound(error.to_string()),
        FetchError::TooLarge { .. } => Error::TooLarge(error.to_string()),
        FetchError::Store(_) | FetchError::Io(_) | FetchError::Client(_) => {
            Error::internal("the source could not be fetched", error)
        }
        other => Error::invalid(chain(&other)),
    }
}
