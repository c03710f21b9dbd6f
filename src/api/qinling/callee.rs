//! What executions, webhooks and jobs call: a function and a version of it, or an alias, which wins over both.

use super::aliases;
use super::attributes::Body;
use super::caller::Caller;
use super::fault::Fault;
use super::input::Shape;
use super::note::{self, Found, Source};
use super::shelf::{self, Status, not_available};
use crate::app::App;
use crate::domain::{Alias, Error, Pointer, Selector, VersionNumber};

/// A function and the version that is meant, both known to be there.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) found: Found,
    pub(super) version: Option<VersionNumber>,
    /// By which alias it was named.
    pub(super) alias: Option<Alias>,
}

/// What a request says of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference<'r> {
    pub(super) function: Option<&'r str>,
    pub(super) version: Option<i64>,
    pub(super) alias: Option<&'r str>,
}

impl<'r> Reference<'r> {
    /// Reads the attributes `function_id`, `function_version` and `function_alias`. An empty alias is none.
    pub(super) fn of(body: &'r Body) -> Self {
        Self {
            function: body.text("function_id"),
            version: body.integer("function_version"),
            alias: body.text("function_alias").filter(|name| !name.is_empty()),
        }
    }

    /// # Errors
    /// 400 when it names nothing.
    pub(super) fn must_name_something(self) -> Result<Self, Fault> {
        if self.function.is_none() && self.alias.is_none() {
            return Err(Fault::bad("Either function_alias or function_id must be provided."));
        }
        Ok(self)
    }

    /// Finds what it names.
    ///
    /// # Errors
    /// 404 for what is not there or not the caller's, 400 for a version of what has none.
    pub(super) async fn find(self, app: &App, caller: &Caller) -> Result<Named, Fault> {
        if let Some(name) = self.alias {
            return led(app, aliases::find(app, caller, name).await?).await;
        }
        let found = note::function(app, caller, self.function.unwrap_or_default()).await?;
        let version = version(app, &found, self.version.unwrap_or(0)).await?;
        Ok(Named {
            found,
            version,
            alias: None,
        })
    }
}

impl Named {
    /// The version for the core.
    pub(super) fn selector(&self) -> Selector {
        self.version.map_or(Selector::Current, Selector::Version)
    }

    /// The version for the wire; 0 is the live function.
    pub(super) fn number(&self) -> u32 {
        self.version.map_or(0, VersionNumber::get)
    }

    /// How the function takes its input.
    pub(super) fn shape(&self) -> Shape {
        match self.found.note.source() {
            Source::Image => Shape::Program,
            Source::Package | Source::Swift => Shape::Arguments,
        }
    }

    /// # Errors
    /// 409 while its runtime cannot be used.
    pub(super) async fn must_be_available(&self, app: &App) -> Result<(), Fault> {
        let Some(id) = &self.found.note.runtime_id else {
            return Ok(());
        };
        match shelf::by_id(app, id).await? {
            Some(runtime) if runtime.status(app) == Status::Available => Ok(()),
            _ => Err(Fault::conflict(not_available(id))),
        }
    }
}

/// Where an alias leads now.
///
/// # Errors
/// 404 when its function is gone, or was made through another API.
pub(super) async fn led(app: &App, alias: Alias) -> Result<Named, Fault> {
    let found = note::by_id(app, alias.function).await?;
    let found = found.ok_or_else(|| Fault::not_found("Function", "id", alias.function))?;
    // Any even spread serves a canary; the last byte of a new identity is random.
    let dice = crate::domain::ExecutionId::generate().as_bytes()[15] % 100;
    let version = match alias.choose(dice) {
        Pointer::Latest => None,
        Pointer::Version(number) => Some(number),
    };
    Ok(Named {
        found,
        version,
        alias: Some(alias),
    })
}

async fn version(app: &App, found: &Found, number: i64) -> Result<Option<VersionNumber>, Fault> {
    if number == 0 {
        return Ok(None);
    }
    if found.note.source() != Source::Package {
        return Err(Fault::bad("Can not specify version for package type function."));
    }
    let missing = || no_such_version(&found.function.id.to_string(), number);
    let parsed = u32::try_from(number).ok().and_then(|n| VersionNumber::new(n).ok());
    let parsed = parsed.ok_or_else(missing)?;
    match app.version(found.function.id, parsed).await {
        Ok(_) => Ok(Some(parsed)),
        Err(Error::NotFound(_)) => Err(missing()),
        Err(other) => Err(other.into()),
    }
}

fn no_such_version(function: &str, number: i64) -> Fault {
    let value = format!("{function}, version_number={number}");
    Fault::not_found("FunctionVersion", "function_id", value)
}
