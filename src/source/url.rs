//! Code behind a URL. Each step of a redirect is checked like the first; from `https` none leads to `http`.

use super::fetch::{FetchError, Pieces, Promise, Sources, body, checked};
use crate::web::place;
use reqwest::header::{HeaderMap, HeaderName, LOCATION};
use reqwest::{Response, StatusCode, Url};

/// So many redirects are followed.
const REDIRECTS: usize = 5;

pub(super) async fn open(
    sources: &Sources,
    text: &str,
    sha256: Option<String>,
    headers: &[(String, String)],
) -> Result<(Option<String>, Pieces), FetchError> {
    let url = parse(text)?;
    check_sha256(sha256.as_deref())?;
    let (last, response) = follow(sources, url.clone(), said(headers)?).await?;
    let status = response.status();
    let place = place(&last);
    if matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) {
        return Err(FetchError::NotFound(place));
    }
    if status != StatusCode::OK {
        let status = status.as_u16();
        return Err(FetchError::Refused { place, status });
    }
    let limit = sources.options.limit;
    let promise = Promise { sha256, md5: None };
    let name = file_name(&url).or_else(|| file_name(&last));
    Ok((name, checked(body(response, place, limit)?, limit, promise)))
}

fn parse(text: &str) -> Result<Url, FetchError> {
    let wrong = || FetchError::Invalid("the source's URL cannot be read: write it as https://HOST/PATH".to_owned());
    let url = Url::parse(text).map_err(|_| wrong())?;
    let good = matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty());
    good.then_some(url).ok_or_else(wrong)
}

fn check_sha256(given: Option<&str>) -> Result<(), FetchError> {
    let good = given.is_none_or(|text| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()));
    good.then_some(())
        .ok_or_else(|| FetchError::Invalid("`sha256` is 64 hexadecimal digits".to_owned()))
}

/// What is said along, if it can be said in HTTP.
fn said(headers: &[(String, String)]) -> Result<HeaderMap, FetchError> {
    let pair = |(name, value): &(String, String)| Some((name.parse::<HeaderName>().ok()?, value.parse().ok()?));
    let pairs: Option<HeaderMap> = headers.iter().map(pair).collect();
    pairs.ok_or_else(|| {
        FetchError::Invalid("a header of the source cannot be sent: look at its name and value".to_owned())
    })
}

async fn follow(sources: &Sources, mut url: Url, mut headers: HeaderMap) -> Result<(Url, Response), FetchError> {
    for _ in 0..=REDIRECTS {
        let response = sources.web.get_given(&url, headers.clone()).await?;
        let Some(next) = next(&url, &response)? else {
            return Ok((url, response));
        };
        if next.origin() != url.origin() {
            headers.clear();
        }
        url = next;
    }
    Err(FetchError::Invalid(format!(
        "{} leads on and on: more than {REDIRECTS} redirects are not followed",
        place(&url)
    )))
}

/// Where a redirect leads; `None` when the answer is none.
fn next(url: &Url, response: &Response) -> Result<Option<Url>, FetchError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
    let to = to.and_then(|to| url.join(to).ok());
    let to = to.ok_or_else(|| FetchError::Invalid(format!("{} leads nowhere", place(url))))?;
    let to = parse(to.as_str())?;
    if url.scheme() == "https" && to.scheme() == "http" {
        return Err(FetchError::Invalid(format!(
            "{} leads from https to http: name the last address itself",
            place(url)
        )));
    }
    Ok(Some(to))
}

/// The last part of the path, where it has an ending.
fn file_name(url: &Url) -> Option<String> {
    let last = url.path_segments()?.next_back()?;
    last.contains('.').then(|| last.to_owned())
}
