//! Packages: an address to send one to, one to fetch it from, and what answers there.
//!
//! Such an address is its own key, because clients show no token there and pass over the headers that come with it. It
//! holds no `&`, because people paste it as it stands in the JSON. Of the key only its sha256 is kept.

use super::applications::Answer;
use super::asked::Asked;
use super::fault::Fault;
use super::note::{self, Application, Kind, Package};
use super::page::Query;
use super::space::DIALECT;
use super::{Route, State, alpha, functions_beta, wire};
use crate::app::App;
use crate::domain::{Digest, Error, FunctionId};
use crate::store::DocumentKey;
use axum::Json;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Path, RawQuery, Request, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use futures_util::StreamExt;
use http::{Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;

/// What all addresses begin with; whoever knows one may use it.
pub(super) const OPEN: &str = "/functions/uploads/";
const KIND: &str = "upload";
/// How long an address is good.
const GOOD: Duration = Duration::from_secs(3600);

pub(super) fn routes() -> Vec<Route> {
    vec![
        (Method::GET, alpha!("/functions/{id}/upload-url"), get(upload_url)),
        (
            Method::GET,
            functions_beta!("/functions/{id}/upload-url"),
            get(upload_url),
        ),
        (Method::GET, alpha!("/functions/{id}/download-url"), get(download_url)),
        (
            Method::GET,
            functions_beta!("/functions/{id}/download-url"),
            get(download_url),
        ),
        (Method::PUT, "/functions/uploads/{id}/{key}", put(upload)),
        (Method::GET, "/functions/uploads/{id}/{key}", get(download)),
    ]
}

/// What an address may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Purpose {
    Upload,
    Download,
}

/// What is kept of an address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Grant {
    function: String,
    purpose: Purpose,
    /// As the client announced it. Unit: bytes.
    #[serde(default)]
    length: Option<u64>,
    /// Unit: UTC milliseconds.
    expires_at_ms: i64,
}

async fn upload_url(
    Shared(state): Shared<State>,
    asked: Asked,
    Path((_, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Answer {
    let app = &state.app;
    let function = note::find_kind(app, &asked, Kind::Function, &id).await?;
    let length = length(&Query::read(query.as_deref()))?;
    if let Some(length) = length.filter(|length| *length > app.upload_limit()) {
        return Err(Fault::bad(format!(
            "the package has {length} bytes, the limit is {} bytes: leave out what the function does not need, or raise server.upload_limit_mib",
            app.upload_limit()
        )));
    }
    let url = grant(app, &asked, &function, Purpose::Upload, length).await?;
    let mut headers = BTreeMap::from([("content-type", ["application/octet-stream".to_owned()])]);
    if let Some(length) = length {
        headers.insert("content-length", [length.to_string()]);
    }
    address(url, headers)
}

async fn download_url(Shared(state): Shared<State>, asked: Asked, Path((_, id)): Path<(String, String)>) -> Answer {
    let function = note::find_kind(&state.app, &asked, Kind::Function, &id).await?;
    if function.package(&state.app).await?.is_none() {
        return Err(Fault::missing("Package"));
    }
    let url = grant(&state.app, &asked, &function, Purpose::Download, None).await?;
    address(url, BTreeMap::new())
}

fn address(url: String, headers: BTreeMap<&'static str, [String; 1]>) -> Answer {
    let view = serde_json::to_value(wire::Address { url, headers });
    Ok(Json(view.map_err(|e| Error::internal("a view cannot be written", e))?))
}

fn length(query: &Query) -> Result<Option<u64>, Fault> {
    let Some(text) = query.get("content_length") else {
        return Ok(None);
    };
    let length = text.parse().ok().filter(|length| *length > 0);
    length
        .map(Some)
        .ok_or_else(|| Fault::argument("content_length", "the size of the zip in bytes"))
}

/// Makes an address by the host that the client used: another may not lead here from where it is.
async fn grant(
    app: &App,
    asked: &Asked,
    function: &Application,
    purpose: Purpose,
    length: Option<u64>,
) -> Result<String, Fault> {
    forget_expired(app).await?;
    let secret = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()]
        .map(|part| part.simple().to_string())
        .concat();
    let grant = Grant {
        function: function.id().to_string(),
        purpose,
        length,
        expires_at_ms: app.now().plus(GOOD).as_millis(),
    };
    let text = serde_json::to_string(&grant);
    let text = text.map_err(|e| Error::internal("the note of an upload cannot be written", e))?;
    app.put_document(key(&secret), text).await?;
    Ok(format!("{}{OPEN}{}/{secret}.zip", asked.url(), function.id()))
}

async fn forget_expired(app: &App) -> Result<(), Fault> {
    let now = app.now().as_millis();
    for (hash, text) in app.list_documents(DIALECT, KIND).await? {
        let expired = serde_json::from_str::<Grant>(&text).is_ok_and(|grant| grant.expires_at_ms <= now);
        if expired {
            app.delete_document(hashed(hash)).await?;
        }
    }
    Ok(())
}

fn key(secret: &str) -> DocumentKey {
    let sum = Sha256::digest(secret);
    hashed(hex::encode(sum))
}

fn hashed(hash: String) -> DocumentKey {
    DocumentKey::new(DIALECT, KIND, hash)
}

/// What an address stands for.
///
/// # Errors
/// 403 when it is not known, is over, or is for something else.
async fn granted(app: &App, id: &str, file: &str, purpose: Purpose) -> Result<(FunctionId, Grant), Fault> {
    let refused = || {
        Fault::new(
            StatusCode::FORBIDDEN,
            "this address is not known or has expired: ask for another one",
        )
    };
    let secret = file.strip_suffix(".zip").unwrap_or(file);
    let text = app.document(key(secret)).await?.ok_or_else(refused)?;
    let grant: Grant =
        serde_json::from_str(&text).map_err(|e| Error::internal("the note of an upload cannot be read", e))?;
    let good = grant.function == id && grant.purpose == purpose && app.now().as_millis() < grant.expires_at_ms;
    let function = FunctionId::parse(id).filter(|_| good).ok_or_else(refused)?;
    Ok((function, grant))
}

async fn upload(
    Shared(state): Shared<State>,
    Path((id, file)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Fault> {
    let app = &state.app;
    let (function, grant) = granted(app, &id, &file, Purpose::Upload).await?;
    let found = note::by_id(app, function).await?;
    found.ok_or_else(|| Fault::missing("Function"))?;
    let (digest, size) = receive(app, request.into_body().into_data_stream(), grant.length).await?;
    Application::put_package(app, function, &Package::new(&digest, size)).await?;
    Ok((StatusCode::OK, [(header::ETAG, format!("\"{digest}\""))]).into_response())
}

/// Stores a body piece by piece; nothing is left of one that is not as long as was said.
async fn receive(app: &App, mut body: BodyDataStream, length: Option<u64>) -> Result<(Digest, u64), Fault> {
    let mut writer = app.begin_upload().await?;
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|e| Fault::bad(format!("the upload broke off: {e}")))?;
        writer.write(&piece).await.map_err(Error::from)?;
        if length.is_some_and(|length| writer.size() > length) {
            return Err(wrong_length(length, "more"));
        }
    }
    let size = writer.size();
    if length.is_some_and(|length| size < length) {
        return Err(wrong_length(length, &format!("{size} bytes")));
    }
    Ok((writer.finish().await.map_err(Error::from)?, size))
}

fn wrong_length(length: Option<u64>, came: &str) -> Fault {
    let length = length.unwrap_or_default();
    Fault::bad(format!(
        "content_length was said to be {length} bytes and {came} came: ask for upload-url with the size of the zip"
    ))
}

async fn download(Shared(state): Shared<State>, Path((id, file)): Path<(String, String)>) -> Result<Response, Fault> {
    let app = &state.app;
    let (function, _) = granted(app, &id, &file, Purpose::Download).await?;
    let missing = || Fault::missing("Package");
    let found = note::by_id(app, function).await?.ok_or_else(missing)?;
    let package = found.package(app).await?.ok_or_else(missing)?;
    let opened = match app.open_package(&package.digest()?).await {
        Err(Error::NotFound(_)) => return Err(missing()),
        opened => opened?,
    };
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, package.size.to_string()),
    ];
    Ok((headers, Body::from_stream(opened.stream)).into_response())
}
