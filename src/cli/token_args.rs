//! What can be typed after `hob token`, and the token itself, which is never printed. Does nothing with them.

use crate::domain::{Role, TokenName};
use clap::{Args, Subcommand};
use http::HeaderValue;

/// A token that may be sent.
#[derive(Clone)]
pub(crate) struct Token(pub(crate) HeaderValue);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// Reads a token; the message does not repeat it.
pub(crate) fn token(text: &str) -> Result<Token, String> {
    let value = HeaderValue::from_str(text.trim());
    let mut value = value.map_err(|_| "a token is text without line breaks".to_owned())?;
    value.set_sensitive(true);
    Ok(Token(value))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_line_and_never_printed() {
        let read = token(" hob_secret\n").expect("a token");
        assert_eq!(read.0, "hob_secret");
        assert!(!format!("{read:?} {:?}", read.0).contains("secret"));
        let refused = token("hob_a\nhob_b").expect_err("two lines");
        assert!(!refused.contains("hob_a"), "{refused}");
    }
}
