//! The way in: what is done with every request before and after whoever serves it.
//!
//! It is noted whom it is addressed to, the guard lets it in, the border takes what may not cross; then its function is
//! called, or the routes of all the rest answer. Plain calls and no layers: every warm call comes through here, and each
//! layer would copy the request and allocate four times.

use super::address::{self, Address, FUNCTIONS};
use super::{Ingress, border};
use crate::api::kit::guard::{Guard, WelcomeOrigin};
use crate::api::kit::problem;
use crate::app::Callee;
use crate::domain::{Error, FunctionId};
use crate::listener::Answer;
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use std::sync::Arc;
use tower::Service;

/// The way in.
#[derive(Debug, Clone)]
pub struct Entrance {
    ingress: Ingress,
    guard: Arc<Guard>,
    routes: Router,
    /// Whose own port this is the entrance of.
    port: Option<FunctionId>,
}

impl Entrance {
    /// To functions, and by `routes` to everything else.
    #[must_use]
    pub fn new(ingress: Ingress, guard: Guard, routes: Router) -> Self {
        Self {
            ingress,
            guard: Arc::new(guard),
            routes,
            port: None,
        }
    }

    /// The same at a function's own port: whatever comes in there is the function's.
    #[must_use]
    pub(super) fn at_port_of(self, function: FunctionId) -> Self {
        Self {
            port: Some(function),
            ..self
        }
    }

    /// What is addressed by port or host goes to its function before paths are looked at.
    async fn serve(mut self, request: Request) -> Response {
        let path = request.uri().path();
        let Some(address) = address::address_of(&request).cloned() else {
            if names_a_function(path) {
                return self.ingress.by_path(request).await;
            }
            return match self.routes.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
        };
        let path = path.to_owned();
        match address {
            Address::Host { namespace, name } => {
                let callee = Callee::named(&namespace, &name);
                self.ingress.call(callee, path, request).await
            }
            Address::Port { function, .. } => self.ingress.call(Callee::Id(function), path, request).await,
            Address::Gateway(gateway) => self.ingress.through(&gateway, path, request).await,
            Address::NoPath => {
                let message = format!("no gateway of this host has the path {path}");
                problem::answer(&Error::not_found(message), None)
            }
        }
    }
}

impl Answer for Entrance {
    async fn answer(self, mut request: Request) -> Response {
        address::note(&self.ingress.app, self.port, &mut request);
        let Some(page) = self.ingress.page(&request) else {
            return self.let_in(request).await;
        };
        if let Some(answer) = page.preflight(request.method(), request.headers()) {
            return answer;
        }
        request.extensions_mut().insert(WelcomeOrigin);
        let mut response = self.let_in(request).await;
        page.allow(response.headers_mut());
        response
    }
}

impl Entrance {
    async fn let_in(self, mut request: Request) -> Response {
        if let Some(refusal) = self.guard.refuse(&mut request).await {
            return refusal;
        }
        let border = match border::enter(&mut request) {
            Ok(border) => border,
            Err(answer) => return *answer,
        };
        // Boxed: the connection keeps room for this whole future, while it waits for a request too.
        let mut response = Box::pin(self.serve(request)).await;
        border.leave(response.headers_mut());
        response
    }
}

/// `/function/<name>`, whatever follows.
fn names_a_function(path: &str) -> bool {
    let below = path.strip_prefix(FUNCTIONS);
    below.is_some_and(|below| !below.is_empty() && !below.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_without_a_name_is_no_functions() {
        for (path, is) in [
            ("/function/a", true),
            ("/function/a/", true),
            ("/function/a/b", true),
            ("/function/", false),
            ("/function//b", false),
            ("/function", false),
            ("/functions/a", false),
        ] {
            assert_eq!(names_a_function(path), is, "{path}");
        }
    }
}
