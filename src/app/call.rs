//! Calling a function by name.

use super::{App, no_such_function};
use crate::domain::{Error, ExecutionId, FunctionName, Namespace};
use crate::invoker::{Answer, Body, Call};

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

/// How a call is made.
#[derive(Debug, Clone, Copy)]
pub struct InvokeOptions {
    /// The call's identity.
    pub id: ExecutionId,
}

impl App {
    /// Calls a function and answers with what it said.
    ///
    /// # Errors
    /// `NotFound` when there is none, `NotReady` while no revision serves, and what the invoker says.
    pub async fn invoke(
        &self,
        namespace: &str,
        name: &str,
        options: InvokeOptions,
        incoming: Incoming,
    ) -> Result<Answer, Error> {
        let served = self
            .0
            .directory
            .find(namespace, name)
            .ok_or_else(|| unknown(namespace, name))?;
        let target = served.target.clone().ok_or_else(|| not_ready(name))?;
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
        };
        self.0.invoker.invoke(call).await
    }
}

/// A bad name is a name nobody has.
fn unknown(namespace: &str, name: &str) -> Error {
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
