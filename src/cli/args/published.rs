//! What can be typed about versions, aliases, webhooks and the number of workers.

use crate::domain::{AliasName, Selector, SignatureScheme, VersionNumber};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Which revision of a function is meant; the one that serves unless said.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SelectArgs {
    /// This published version
    #[arg(long, value_name = "N", value_parser = version, conflicts_with = "alias")]
    pub(crate) version: Option<VersionNumber>,
    /// What this alias leads to
    #[arg(long, value_name = "NAME", value_parser = alias)]
    pub(crate) alias: Option<AliasName>,
}

impl SelectArgs {
    /// The selector as it is written on the wire; `None` for what serves.
    pub(crate) fn selector(&self) -> Option<String> {
        let version = self.version.map(Selector::Version);
        let alias = self.alias.clone().map(Selector::Alias);
        version.or(alias).map(|selector| selector.to_string())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum VersionsCommand {
    /// List a function's versions
    List {
        /// The function
        name: String,
    },
    /// Freeze what serves under the next number
    Publish {
        /// The function
        name: String,
        /// What to remember of it
        #[arg(long, default_value = "")]
        description: String,
    },
    /// Show one version
    Get {
        /// The function
        name: String,
        /// The version
        #[arg(value_parser = version)]
        number: VersionNumber,
    },
    /// Remove a version that nothing leads to
    Rm {
        /// The function
        name: String,
        /// The version
        #[arg(value_parser = version)]
        number: VersionNumber,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AliasCommand {
    /// List aliases
    List {
        /// Only those of this function
        function: Option<String>,
    },
    /// Show one alias
    Get {
        /// The alias
        name: String,
    },
    /// Make an alias, or make it lead elsewhere
    Set(AliasSetArgs),
    /// Remove an alias
    Rm {
        /// The alias
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AliasSetArgs {
    /// The alias
    pub(crate) name: String,
    /// The function
    pub(crate) function: String,
    /// Where calls go [default: to what serves]
    #[arg(long, value_name = "N", value_parser = version)]
    pub(crate) version: Option<VersionNumber>,
    /// Where a part of them goes instead, as 3=10 (percent) or latest=10
    #[arg(long, value_name = "N=PERCENT", value_parser = canary)]
    pub(crate) canary: Option<(Option<u32>, u8)>,
    /// What to remember of it
    #[arg(long, default_value = "")]
    pub(crate) description: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// List webhooks
    List,
    /// Show one webhook
    Get {
        /// The webhook's id
        id: String,
    },
    /// Make an address by which the outside calls a function
    Create(WebhookCreateArgs),
    /// Give a webhook another secret
    Rotate {
        /// The webhook's id
        id: String,
        /// The sender's secret, in a file or on standard input (-) [default: one is made]
        #[arg(long, value_name = "FILE|-")]
        secret_file: Option<PathBuf>,
    },
    /// Remove a webhook
    Rm {
        /// The webhook's id
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct WebhookCreateArgs {
    /// The function
    pub(crate) function: String,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    /// What to remember of it
    #[arg(long, default_value = "")]
    pub(crate) description: String,
    /// Refuse calls that are not signed in this form: github, stripe
    #[arg(long, value_name = "FORM", value_parser = scheme)]
    pub(crate) sign: Option<String>,
    /// The sender's secret, in a file or on standard input (-) [default: one is made]
    #[arg(long, value_name = "FILE|-", requires = "sign")]
    pub(crate) secret_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ScaleArgs {
    /// The function
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) change: ScaleChange,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ScaleChange {
    /// Keep so many workers
    #[arg(long, value_name = "N")]
    pub(crate) to: Option<u16>,
    /// Keep so many more than there are
    #[arg(long, value_name = "N")]
    pub(crate) up: Option<u16>,
    /// Keep so many fewer than there are
    #[arg(long, value_name = "N")]
    pub(crate) down: Option<u16>,
}

fn version(text: &str) -> Result<VersionNumber, String> {
    VersionNumber::parse(text).map_err(|error| error.to_string())
}

fn alias(text: &str) -> Result<AliasName, String> {
    AliasName::parse(text).map_err(|error| error.to_string())
}

fn scheme(text: &str) -> Result<String, String> {
    let checked = SignatureScheme::parse(text).map_err(|error| error.to_string())?;
    Ok(checked.as_str().to_owned())
}

/// Reads `3=10` or `latest=10`.
fn canary(text: &str) -> Result<(Option<u32>, u8), String> {
    let wrong = || format!("`{text}` is no canary: write it as 3=10 or latest=10");
    let (to, percent) = text.split_once('=').ok_or_else(wrong)?;
    let percent = percent.trim_end_matches('%').parse().map_err(|_| wrong())?;
    match to {
        "latest" => Ok((None, percent)),
        number => Ok((Some(version(number)?.get()), percent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_names_a_version_and_its_percents() {
        for (text, expect) in [
            ("3=10", Some((Some(3), 10))),
            ("latest=5%", Some((None, 5))),
            ("3", None),
            ("0=10", None),
            ("3=ten", None),
            ("3=300", None),
        ] {
            assert_eq!(canary(text).ok(), expect, "{text}");
        }
    }
}
