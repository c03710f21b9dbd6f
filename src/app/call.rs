//! Calling a function: which one, which revision of it, and what is kept of the call.

use super::queue::Stop;
use super::{App, no_such_function, no_such_function_id};
use crate::domain::{
    CallbackUrl, Error, ExecutionId, FunctionId, FunctionName, Namespace, Retries, Selector, Timings,
    is_private_header, kept_headers,
};
use crate::invoker::{Answer, Body, Call, Failure, KeepResult, LateInput, Note, RESULT_LIMIT, Reply};
use crate::pool::{Environment, Target};
use crate::store::AsyncInput;
use crate::traces::Trigger;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use std::io;
use std::time::Instant;

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

impl<'a> Callee<'a> {
    /// By its name.
    #[must_use]
    pub fn named(namespace: &'a str, name: &'a str) -> Self {
        Self::Named { namespace, name }
    }
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
    /// Of an asynchronous call: what follows when it fails.
    pub retries: Retries,
    /// Of an asynchronous call: what the caller names it, so that it may be sent twice.
    pub key: Option<String>,
    /// Of an asynchronous call: where its end is told.
    pub callback: Option<CallbackUrl>,
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
            retries: Retries::NONE,
            key: None,
            callback: None,
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
        incoming: Incoming,
    ) -> Result<Answer, Error> {
        let served = self.served(callee)?;
        let target = self.target_for(&served, &options.selector).await?;
        let (note, incoming) = self.note(&options, &target, incoming).await?;
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
            trigger: Trigger::Http,
            note,
        };
        self.stoppable(call).await
    }

    /// Makes a call again with the input that was kept of one, and keeps what it comes to. Headers that open doors were
    /// not kept, and are not sent.
    ///
    /// # Errors
    /// `NotFound` when there is no such execution, or none of its input was kept; and as [`App::invoke`].
    pub async fn replay(&self, of: ExecutionId, id: ExecutionId, selector: Selector) -> Result<Answer, Error> {
        let function = self.execution(of).await?.function;
        let mut input = self.execution_input(of).await?;
        input.headers.retain(|(name, _)| !is_private_header(name));
        let options = InvokeOptions {
            selector,
            keep: Keep {
                input: true,
                result: true,
            },
            description: format!("Replay of {of}"),
            ..InvokeOptions::new(id)
        };
        self.invoke(Callee::Id(function), options, input.into()).await
    }

    /// Makes a call that [`App::cancel`] can end, its answer's body included.
    async fn stoppable(&self, call: Call) -> Result<Answer, Error> {
        let (id, version) = (call.id, call.target.version);
        let stop = self.0.running.begin(id);
        let answer = tokio::select! {
            biased;
            answer = self.0.invoker.invoke(call) => answer?,
            () = stop.requested() => return Ok(cancelled(id, version)),
        };
        let reply = match answer.reply {
            Reply::Success {
                status,
                headers,
                body: Body::Stream(stream),
            } => Reply::Success {
                status,
                headers,
                body: Body::Stream(until_stopped(stream, stop)),
            },
            reply => reply,
        };
        Ok(Answer { reply, ..answer })
    }

    /// What is written down of a call, and the call as it goes on.
    async fn note(
        &self,
        options: &InvokeOptions,
        target: &Target,
        mut incoming: Incoming,
    ) -> Result<(Note, Incoming), Error> {
        // Keeping costs the writer more than a record does: when very many calls come, that of some is enough.
        let limit = self.0.options.keep_bodies;
        let kept = limit > 0 && self.0.keeping.take(Instant::now());
        let mut note = Note {
            selector: options.selector.clone(),
            description: options.description.clone(),
            is_wanted: options.keep != Keep::default(),
            keep_result: match (options.keep.result, kept) {
                (true, _) => KeepResult::Cut(RESULT_LIMIT),
                (false, true) => KeepResult::Within(limit),
                (false, false) => KeepResult::No,
            },
            ..Note::default()
        };
        if options.keep.input {
            let whole = self.whole(incoming).await?;
            note.input = Some(Box::new(AsyncInput {
                headers: kept_headers(&whole.headers),
                ..whole.clone()
            }));
            incoming = whole.into();
        } else if kept {
            incoming = keep_small(&mut note, incoming, limit, &target.env);
        }
        Ok((note, incoming))
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

/// Keeps an input of at most `limit` bytes without holding the call up for it.
fn keep_small(note: &mut Note, incoming: Incoming, limit: usize, env: &Environment) -> Incoming {
    let head = |body: Vec<u8>| AsyncInput {
        method: incoming.method.clone(),
        path: incoming.path.clone(),
        query: incoming.query.clone(),
        headers: kept_headers(&incoming.headers),
        body,
    };
    let body = match incoming.body {
        Body::Whole(bytes) if bytes.len() <= limit && !env.gives_away(&bytes) => {
            note.input = Some(Box::new(head(bytes.to_vec())));
            Body::Whole(bytes)
        }
        Body::Whole(bytes) => Body::Whole(bytes),
        Body::Stream(stream) => {
            let (late, stream) = LateInput::tee(head(Vec::new()), stream, limit);
            note.late_input = Some(late);
            Body::Stream(stream)
        }
    };
    Incoming { body, ..incoming }
}

/// Ends early when somebody asks for it; what is behind the stream is dropped then, and its record says so.
fn until_stopped(stream: BoxStream<'static, io::Result<Bytes>>, stop: Stop) -> BoxStream<'static, io::Result<Bytes>> {
    let pieces = futures_util::stream::unfold(Some((stream, stop)), |state| async move {
        let (mut stream, stop) = state?;
        tokio::select! {
            biased;
            piece = stream.next() => Some((piece?, Some((stream, stop)))),
            () = stop.requested() => Some((Err(io::Error::other("the call was cancelled")), None)),
        }
    });
    pieces.boxed()
}

fn cancelled(id: ExecutionId, version: u32) -> Answer {
    let failure = Failure {
        kind: "cancelled",
        error_type: String::new(),
        message: "the call was cancelled while it ran".to_owned(),
        traceback: String::new(),
    };
    Answer {
        id,
        version,
        temperature: None,
        timings: Timings::default(),
        reply: Reply::Failure(failure),
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
