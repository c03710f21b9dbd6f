//! What can be typed after `hob token`. Reads words into values; does nothing with them.

use crate::domain::{Role, TokenName};
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it, this once
    ///
    /// As soon as there is one token, every request needs one; so the first must be an admin's.
    Create(TokenCreateArgs),
    /// List tokens, without their secrets
    List,
    /// Take tokens' power away, at once
    Revoke {
        /// Names or ids
        #[arg(required = true)]
        tokens: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TokenCreateArgs {
    /// `admin` may do everything, `user` everything in its namespace, `invoke` only call functions there
    #[arg(long, default_value = "user", value_parser = role)]
    pub(crate) role: String,
    /// What it is called [default: made up]
    #[arg(long, value_parser = name)]
    pub(crate) name: Option<String>,
}

fn role(text: &str) -> Result<String, String> {
    let checked = Role::parse(text).map_err(|error| error.to_string())?;
    Ok(checked.as_str().to_owned())
}

fn name(text: &str) -> Result<String, String> {
    let checked = TokenName::parse(text).map_err(|error| error.to_string())?;
    Ok(checked.as_str().to_owned())
}
