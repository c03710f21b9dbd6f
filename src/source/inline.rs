//! Code written out in the request: one source file.

use super::fetch::{FetchError, Pieces, Promise, Sources, checked};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

pub(super) fn open(sources: &Sources, file_name: String, text: String) -> Result<(Option<String>, Pieces), FetchError> {
    let plain = !file_name.is_empty() && !file_name.contains(['/', '\\', '\0']);
    if !plain {
        return Err(FetchError::Invalid(
            "inline code has a file name without a folder".to_owned(),
        ));
    }
    let whole = stream::once(async { Ok(Bytes::from(text)) }).boxed();
    Ok((
        Some(file_name),
        checked(whole, sources.options.limit, Promise::default()),
    ))
}
