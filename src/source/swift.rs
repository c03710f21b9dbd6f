//! Code in a store of objects: a service that speaks Swift's HTTP API, or a directory in its place.
//!
//! The directory's links and dots lead nowhere outside. The service's word on an object's MD5 is checked.

use super::directory::{file, inside};
use super::fetch::{FetchError, Object, Pieces, Promise, Sources, Swift, body, checked};
use crate::web::place;
use reqwest::header::{ETAG, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, Url};
use std::path::Path;

/// The largest object that is code. Unit: bytes.
const LIMIT: u64 = 51 * 1024 * 1024;
const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
/// Objects made of others: their ETag is not the MD5 of what is in them.
const COMPOSED: [&str; 2] = ["x-static-large-object", "x-object-manifest"];

pub(super) async fn open(sources: &Sources, object: Object) -> Result<(Option<String>, Pieces), FetchError> {
    check(&object)?;
    let limit = LIMIT.min(sources.options.limit);
    let name = object.object.rsplit('/').next().map(str::to_owned);
    let (pieces, promise) = match &sources.options.swift {
        Swift::None => return Err(FetchError::NoStore),
        Swift::Directory(root) => (in_directory(root, &object, limit).await?, Promise::default()),
        Swift::Service { url, token } => {
            let token = object.token.clone().or_else(|| token.clone());
            in_service(sources, url, token, &object, limit).await?
        }
    };
    Ok((name, checked(pieces, limit, promise)))
}

/// Dots would lead to other places in a path, whoever reads it.
fn check(object: &Object) -> Result<(), FetchError> {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\0', '\\']);
    let good = plain(&object.container) && !object.container.contains('/') && object.object.split('/').all(plain);
    good.then_some(()).ok_or_else(|| {
        FetchError::Invalid(
            "an object has a container and a name, without empty parts and without dots alone".to_owned(),
        )
    })
}

async fn in_directory(root: &Path, object: &Object, limit: u64) -> Result<Pieces, FetchError> {
    let wanted = root.join(&object.container).join(&object.object);
    let missing = || FetchError::NotFound(shown(object));
    let path = inside(&[root.to_owned()], &wanted).await?.ok_or_else(missing)?;
    let found = tokio::fs::metadata(&path).await.map_err(FetchError::Io)?;
    if !found.is_file() {
        return Err(missing());
    }
    if found.len() > limit {
        return Err(FetchError::TooLarge { limit });
    }
    file(&path).await
}

fn shown(object: &Object) -> String {
    format!("object `{}` of container `{}`", object.object, object.container)
}

async fn in_service(
    sources: &Sources,
    base: &str,
    token: Option<String>,
    object: &Object,
    limit: u64,
) -> Result<(Pieces, Promise), FetchError> {
    let url = address(base, object)?;
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        let value = HeaderValue::try_from(token);
        let mut value = value.map_err(|_| FetchError::Invalid("the store's token is no header".to_owned()))?;
        value.set_sensitive(true);
        headers.insert(TOKEN, value);
    }
    let broken = |e| FetchError::Store(Box::new(e));
    let response = sources
        .web
        .get_configured(&url, headers)
        .await
        .map_err(|e| broken(e.into()))?;
    let status = response.status().as_u16();
    let place = place(&url);
    match status {
        200 => {}
        404 => return Err(FetchError::NotFound(shown(object))),
        401 | 403 => return Err(FetchError::Refused { place, status }),
        _ => return Err(broken(FetchError::Refused { place, status })),
    }
    let md5 = md5_of(&response);
    Ok((body(response, place, limit)?, Promise { sha256: None, md5 }))
}

fn address(base: &str, object: &Object) -> Result<Url, FetchError> {
    let wrong = || FetchError::Invalid("sources.swift_url is no URL: write it as https://HOST/v1/ACCOUNT".to_owned());
    let mut url = Url::parse(base).map_err(|_| wrong())?;
    let mut path = url.path_segments_mut().map_err(|()| wrong())?;
    path.pop_if_empty()
        .push(&object.container)
        .extend(object.object.split('/'));
    drop(path);
    Ok(url)
}

fn md5_of(response: &Response) -> Option<String> {
    let headers = response.headers();
    if COMPOSED.iter().any(|name| headers.contains_key(*name)) {
        return None;
    }
    let etag = headers.get(ETAG)?.to_str().ok()?.trim_matches('"');
    let is_md5 = etag.len() == 32 && etag.bytes().all(|b| b.is_ascii_hexdigit());
    is_md5.then(|| etag.to_owned())
}
