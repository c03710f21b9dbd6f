//! Fetching images through the Docker API, and what is said of it layer by layer.
//!
//! A part of `docker.rs`. Adds nothing up: whoever listens does.

use super::docker::{Docker, On, check_image_name};
use super::{Error, Layer, LayerState};
use bollard::models::CreateImageInfo;
use bollard::query_parameters as query;
use futures_util::StreamExt;

/// See [`Engine::pull`](super::Engine::pull).
pub(super) async fn pull(docker: &Docker, name: &str, tell: &(dyn Fn(Layer) + Send + Sync)) -> Result<(), Error> {
    check_image_name(name)?;
    let on = On::image("pulling an image", name);
    let (client, host) = docker.client().await?;
    let mut news = client.create_image(Some(options(name)), None, None);
    loop {
        match tokio::time::timeout(docker.request_timeout(), news.next()).await {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(said))) => layer(said).into_iter().for_each(tell),
            Ok(Some(Err(e))) => return Err(docker.failed(e, &host, &on)),
            Err(_) => return Err(on.timeout()),
        }
    }
}

/// Without a tag the engine would fetch every tag there is.
fn options(name: &str) -> query::CreateImageOptions {
    let last = name.rsplit('/').next().unwrap_or(name);
    let tag = (!last.contains([':', '@'])).then(|| "latest".to_owned());
    query::CreateImageOptions {
        from_image: Some(name.to_owned()),
        tag,
        ..Default::default()
    }
}

/// What one message says of a layer. Of the unpacking only its end is told: it has no bytes to wait for.
fn layer(said: CreateImageInfo) -> Option<Layer> {
    let detail = said.progress_detail.unwrap_or_default();
    let state = match said.status?.as_str() {
        "Pulling fs layer" | "Waiting" => LayerState::Waiting,
        "Downloading" => LayerState::Coming {
            done_bytes: unsigned(detail.current)?,
            total_bytes: unsigned(detail.total).filter(|total| *total > 0),
        },
        "Download complete" => LayerState::Fetched,
        "Pull complete" => LayerState::Done,
        "Already exists" => LayerState::AlreadyHere,
        _ => return None,
    };
    Some(Layer { id: said.id?, state })
}

fn unsigned(bytes: Option<i64>) -> Option<u64> {
    bytes.and_then(|bytes| u64::try_from(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ProgressDetail;

    #[test]
    fn a_pull_asks_for_one_tag() {
        for (name, tag) in [
            ("a", Some("latest")),
            ("r:1/a", Some("latest")),
            ("a:2", None),
            ("a@sha256:0", None),
        ] {
            assert_eq!(options(name).tag.as_deref(), tag, "{name}");
        }
    }

    #[test]
    fn a_message_is_about_a_layer_or_about_nothing() {
        let coming = |done_bytes, total_bytes| LayerState::Coming {
            done_bytes,
            total_bytes,
        };
        for (status, detail, expect) in [
            ("Pulling fs layer", (None, None), Some(LayerState::Waiting)),
            ("Waiting", (None, None), Some(LayerState::Waiting)),
            ("Downloading", (Some(5), Some(9)), Some(coming(5, Some(9)))),
            // Of what comes in pieces nobody knows the size.
            ("Downloading", (Some(5), Some(-1)), Some(coming(5, None))),
            ("Downloading", (Some(5), Some(0)), Some(coming(5, None))),
            ("Downloading", (None, Some(9)), None),
            ("Verifying Checksum", (None, None), None),
            ("Download complete", (None, None), Some(LayerState::Fetched)),
            ("Extracting", (Some(1), Some(9)), None),
            ("Pull complete", (None, None), Some(LayerState::Done)),
            ("Already exists", (None, None), Some(LayerState::AlreadyHere)),
            ("Pulling from library/a", (None, None), None),
        ] {
            let (current, total) = detail;
            let said = |id: Option<&str>| CreateImageInfo {
                id: id.map(str::to_owned),
                status: Some(status.to_owned()),
                progress_detail: Some(ProgressDetail { current, total }),
                ..Default::default()
            };
            let found = layer(said(Some("l"))).map(|layer| (layer.id, layer.state));
            assert_eq!(found, expect.map(|state| ("l".to_owned(), state)), "{status}");
            assert_eq!(layer(said(None)), None, "a digest or a closing word: {status}");
        }
    }
}
