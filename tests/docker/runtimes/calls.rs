//! One keep-alive connection to a function, in the words of its convention.

use crate::support::{Answer, PATIENCE};
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::net::SocketAddr;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// Closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
    host: String,
    function: String,
    convention: &'static str,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens, or it is no HTTP.
    pub(crate) async fn open(address: SocketAddr, function: &str, convention: &'static str) -> Result<Self> {
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self {
            sender,
            driver: tokio::spawn(connection).abort_handle(),
            host: address.to_string(),
            function: function.to_owned(),
            convention,
        })
    }

    /// Whether the body is a JSON object of fields, and the answer JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.convention == "kwargs"
    }

    /// Whether a failure is told in the text that clients of such functions know, and not as the platform's own JSON.
    pub(crate) fn fails_in_text(&self) -> bool {
        self.convention.contains("event")
    }

    /// Tells the function what to do: in the path, or in a field of the input where there is no path.
    ///
    /// # Errors
    /// The answer does not come in time.
    pub(crate) async fn ask(&mut self, what: &str) -> Result<Answer> {
        self.ask_as(what, 0).await
    }

    /// The same, with a number by which calls can be told apart.
    ///
    /// # Errors
    /// As above.
    pub(crate) async fn ask_as(&mut self, what: &str, n: usize) -> Result<Answer> {
        let (path, body) = match self.is_json() {
            true => (String::new(), json!({ "do": what, "n": n }).to_string()),
            false => (format!("/{what}?n={n}"), "{nothing}".to_owned()),
        };
        self.send(&path, &[], body.into()).await
    }

    /// Sends a body to a path below the function and reads the whole answer.
    ///
    /// # Errors
    /// As above.
    pub(crate) async fn send(&mut self, path: &str, headers: &[(&str, &str)], body: Bytes) -> Result<Answer> {
        let exchange = async {
            let (head, body) = self.exchange(path, headers, body).await?.into_parts();
            let body = body.collect().await.context("the answer's body")?.to_bytes();
            anyhow::Ok(Answer {
                status: head.status,
                headers: head.headers,
                body,
            })
        };
        timeout(PATIENCE, exchange).await.context("no answer in time")?
    }

    /// Sends a request and answers as soon as the head of the answer is here.
    ///
    /// # Errors
    /// As above.
    pub(crate) async fn open_answer(&mut self, path: &str) -> Result<Pieces> {
        let exchange = self.exchange(path, &[], Bytes::from_static(b"{nothing}"));
        let response = timeout(PATIENCE, exchange).await.context("no head in time")??;
        if !response.status().is_success() {
            bail!("the answer's status is {}", response.status());
        }
        Ok(Pieces(response.into_body(), String::new()))
    }

    async fn exchange(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<http::Response<Incoming>> {
        let kind = match self.is_json() {
            true => "application/json",
            false => "application/octet-stream",
        };
        let mut request = Request::post(format!("/function/{}{path}", self.function))
            .header("host", &self.host)
            .header("content-type", kind);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await?;
        Ok(self.sender.send_request(request.body(Full::new(body))?).await?)
    }
}

/// A body that is still coming.
#[derive(Debug)]
pub(crate) struct Pieces(Incoming, String);

impl Pieces {
    /// Reads on until what has come so far ends with `wanted`.
    ///
    /// # Errors
    /// It does not come, or the body is at its end without it.
    pub(crate) async fn until(&mut self, wanted: &str) -> Result<()> {
        let reading = async {
            while !self.1.ends_with(wanted) {
                let frame = self
                    .0
                    .frame()
                    .await
                    .with_context(|| format!("the end after `{}`", self.1))??;
                let data = frame.into_data().unwrap_or_default();
                self.1.push_str(&String::from_utf8_lossy(&data));
            }
            anyhow::Ok(())
        };
        let waited = timeout(PATIENCE, reading).await;
        waited.with_context(|| format!("`{wanted}` does not come"))?
    }

    /// The whole of it.
    ///
    /// # Errors
    /// The connection breaks.
    pub(crate) async fn rest(mut self) -> Result<String> {
        let rest = timeout(PATIENCE, self.0.collect()).await.context("no end")??;
        self.1.push_str(&String::from_utf8_lossy(&rest.to_bytes()));
        Ok(self.1)
    }
}
