//! Private applications: the gate that the core puts before them, and what callers are told there.
//!
//! The oldest root's answer is 404, as if there were nothing; the newer ones' say what is missing. A container of the
//! oldest root is told all it needs to check its callers itself, and is not kept behind a gate.

use super::fault::Fault;
use super::note::{Application, Kind};
use super::space::Shelf;
use super::tokens;
use crate::app::{App, Callee};
use crate::domain::{ClaimRule, Error, FunctionId, Gate, GateAnswer};

/// Both spellings, the newer one first; some proxies drop names with an underscore.
const HEADERS: [&str; 2] = ["scw-functions-token", "scw_functions_token"];

/// Puts the gate up or takes it away, as the application wants it now.
pub(super) async fn enforce(app: &App, application: &Application) -> Result<(), Fault> {
    if is_guarded(application) {
        return Ok(app.set_gate(application.id(), gate(app, application).await?).await?);
    }
    app.remove_gate(application.id()).await?;
    Ok(())
}

/// Tells the gate which tokens are good no more, where there is one.
pub(super) async fn revoke(app: &App, application: &Application) -> Result<(), Fault> {
    match close_to(app, application.id(), tokens::revoked(app, application).await?).await {
        // Deleted meanwhile, and its gate with it.
        Err(Error::NotFound(_)) => Ok(()),
        told => Ok(told?),
    }
}

async fn close_to(app: &App, function: FunctionId, revoked: Vec<String>) -> Result<(), Error> {
    let Some((keeper, _)) = app.gate(Callee::Id(function))? else {
        return Ok(());
    };
    let gate = Gate {
        revoked,
        ..keeper.gate.clone()
    };
    app.set_gate(function, gate).await
}

fn is_guarded(application: &Application) -> bool {
    let note = &application.note;
    note.private && (note.kind == Kind::Function || application.space.note.shelf != Shelf::All)
}

async fn gate(app: &App, application: &Application) -> Result<Gate, Fault> {
    let space = &application.space;
    let is_old = space.note.shelf == Shelf::All;
    let answer = |status: u16, body: &str| match is_old {
        true => GateAnswer {
            status: 404,
            body: String::new(),
        },
        false => GateAnswer {
            status,
            body: body.to_owned(),
        },
    };
    Ok(Gate {
        keys: vec![app.signing_key(&space.core).await?],
        headers: HEADERS.map(str::to_owned).into(),
        claims: ClaimRule {
            list: Some("application_claim".to_owned()),
            any_of: vec![
                ("namespace_id".to_owned(), space.note.id.clone()),
                ("application_id".to_owned(), application.id().to_string()),
            ],
        },
        revoked: tokens::revoked(app, application).await?,
        access_tokens: !is_old,
        forward: true,
        missing: answer(401, "Unauthorized\n"),
        invalid: answer(401, "authorization token not valid\n"),
        elsewhere: answer(403, "Forbidden\n"),
    })
}
