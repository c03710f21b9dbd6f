//! Calling a function: which one, which revision of it, and what is kept of the call.

use super::{App, no_such_function, no_such_function_id};
use crate::domain::{Error, ExecutionId, FunctionId, FunctionName, Namespace, Selector};
use crate::invoker::{Answer, Body, Call, Note};
use crate::store::AsyncInput;
use futures_util::StreamExt;

/// A call as it came in, before anybody knows which revision serves it.
#[derive(Debug)]
pub struct Incoming {
    /// HTTP method.
    pub method: String,
    /// Path below the function, with its leading slash.
    pub path: String,
    /// Query without `?`.
    pub query: String,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The input.
    pub body: Body,
}

/// Which function a call is for.
#[derive(Debug, Clone, Copy)]
pub enum Callee<'a> {
    /// By its name.
    Named {
        /// Whose.
        namespace: &'a str,
        /// Which.
        name: &'a str,
    },
    /// By its identity.
    Id(FunctionId),
}

/// What is kept of a call beside its record. Of an asynchronous call both are kept always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// What it was called with; at most the size an asynchronous call's may have.
    pub input: bool,
    /// What it answered; cut at [`crate::invoker::RESULT_LIMIT`].
    pub result: bool,
}

/// How a call is made.
#[derive(Debug, Clone)]
pub struct InvokeOptions {
    /// The call's identity, chosen by the caller.
    pub id: ExecutionId,
    /// Which revision is meant.
    pub selector: Selector,
    /// What is kept.
    pub keep: Keep,
    /// What the caller writes about it; may be empty.
    pub description: String,
}

impl InvokeOptions {
    /// A call of what serves, of which nothing but the record is kept.
    #[must_use]
    pub fn new(id: ExecutionId) -> Self {
        Self {
            id,
            selector: Selector::Current,
            keep: Keep::default(),
            description: String::new(),
        }
    }
}

impl App {
    /// Calls a function and answers with what it said.
    ///
    /// # Errors
    /// `NotFound` when there is no such function, version or alias, `NotReady` while no revision serves, `TooLarge` when
    /// the input is to be kept and over its limit, and what the invoker says.
    pub async fn invoke(
        &self,
        callee: Callee<'_>,
        options: InvokeOptions,
        mut incoming: Incoming,
    ) -> Result<Answer, Error> {
        let served = self.served(callee)?;
        let target = self.target_for(&served, &options.selector).await?;
        let mut input = None;
        if options.keep.input {
            let whole = self.whole(incoming).await?;
            incoming = whole.clone().into();
            input = Some(Box::new(whole));
        }
        let note = Note {
            selector: options.selector,
            description: options.description,
            input,
            keep_result: options.keep.result,
        };
        let call = Call {
            id: options.id,
            function: served.function.id,
            target,
            method: incoming.method,
            path: incoming.path,
            query: incoming.query,
            headers: incoming.headers,
            body: incoming.body,
            asynchronous: false,
            note,
        };
        self.0.invoker.invoke(call).await
    }

    /// Reads the whole body, as what is kept has to be.
    pub(super) async fn whole(&self, incoming: Incoming) -> Result<AsyncInput, Error> {
        let body = collect(incoming.body, self.0.options.async_input_limit).await?;
        Ok(AsyncInput {
            method: incoming.method,
            path: incoming.path,
            query: incoming.query,
            headers: incoming.headers,
            body,
        })
    }
}

impl From<AsyncInput> for Incoming {
    fn from(input: AsyncInput) -> Self {
        Self {
            method: input.method,
            path: input.path,
            query: input.query,
            headers: input.headers,
            body: Body::of(input.body),
        }
    }
}

/// Reads a body to its end.
pub(super) async fn collect(body: Body, limit: u64) -> Result<Vec<u8>, Error> {
    let mut stream = match body {
        Body::Whole(bytes) => return within(bytes.len(), limit).map(|()| bytes.to_vec()),
        Body::Stream(stream) => stream,
    };
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|e| Error::invalid(format!("the request's body could not be read: {e}")))?;
        within(all.len() + chunk.len(), limit)?;
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

/// Refuses what is over the limit. Unit: bytes.
pub(super) fn within(size: usize, limit: u64) -> Result<(), Error> {
    if size as u64 <= limit {
        return Ok(());
    }
    Err(Error::TooLarge(format!(
        "an input that is kept or signed may have {limit} bytes: send less, or raise records.async_input_limit_mib"
    )))
}

/// A bad name is a name nobody has.
pub(super) fn unknown(callee: Callee<'_>) -> Error {
    let (namespace, name) = match callee {
        Callee::Named { namespace, name } => (namespace, name),
        Callee::Id(id) => return no_such_function_id(id),
    };
    match (Namespace::parse(namespace), FunctionName::parse(name)) {
        (Ok(namespace), Ok(name)) => no_such_function(&namespace, &name),
        (Err(e), _) | (_, Err(e)) => Error::not_found(e.to_string()),
    }
}

pub(super) fn not_ready(name: &str) -> Error {
    Error::NotReady(format!(
        "function `{name}` has no revision that can serve: `hob get {name}` says whether it is being prepared or has failed"
    ))
}
