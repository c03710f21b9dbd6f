//! The JSON of what stands beside a function: versions, aliases, webhooks, the number of its workers.

use super::RevisionView;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// `POST /functions/{name}/versions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PublishRequest {
    /// For people; may be empty.
    pub description: String,
}

/// A published version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionView {
    /// Counts from 1 in each function; never given twice.
    pub number: u32,
    /// What the publisher wrote; may be empty.
    pub description: String,
    /// What is frozen in it.
    pub revision: RevisionView,
    /// When it was published. UTC milliseconds.
    pub created_at_ms: i64,
}

/// What publishing made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublishedView {
    /// The new version.
    pub version: VersionView,
    /// The version before it is the same: nothing was deployed in between.
    pub unchanged: bool,
}

/// `GET /functions/{name}/versions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionList {
    /// By number.
    pub versions: Vec<VersionView>,
}

/// `GET /aliases?…`.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AliasesQuery {
    /// Default: `default`.
    pub namespace: Option<String>,
    /// Only aliases of the function of this name.
    pub function: Option<String>,
}

/// `PUT /aliases/{name}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AliasSettings {
    /// The function's name.
    pub function: String,
    /// Where calls go; absent: to what serves.
    #[serde(default)]
    pub version: Option<u32>,
    /// Where a part of them goes instead.
    #[serde(default)]
    pub canary: Option<CanaryView>,
    /// For people; may be empty.
    #[serde(default)]
    pub description: String,
}

/// Where a part of an alias's calls goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CanaryView {
    /// A version; `null`: what serves.
    #[serde(default)]
    pub version: Option<u32>,
    /// How many calls of a hundred, 1 to 99.
    pub percent: u8,
}

/// A name for a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AliasView {
    /// Its name, unique in the namespace.
    pub name: String,
    /// Whose it is.
    pub namespace: String,
    /// The function's name.
    pub function: String,
    /// Where calls go; `null`: to what serves.
    pub version: Option<u32>,
    /// Where a part of them goes instead.
    pub canary: Option<CanaryView>,
    /// For people; may be empty.
    pub description: String,
    /// UTC milliseconds.
    pub created_at_ms: i64,
    /// UTC milliseconds.
    pub updated_at_ms: i64,
}

/// `GET /aliases`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AliasList {
    /// By name.
    pub aliases: Vec<AliasView>,
}

/// `POST /webhooks`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// The function's name.
    pub function: String,
    /// `current` (the default), `version:NUMBER` or `alias:NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// For people; may be empty.
    #[serde(default)]
    pub description: String,
    /// How calls must be signed: `github` or `stripe`; absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The sender's secret, 8 to 1,024 bytes; absent: one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// `PATCH /webhooks/{id}`. What is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookChange {
    /// The function's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// `current`, `version:NUMBER` or `alias:NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// `POST /webhooks/{id}/rotate`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NewSecret {
    /// The sender's secret, 8 to 1,024 bytes; absent: one is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// An address by which the outside calls a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookView {
    /// Its identity; who knows it may call.
    pub id: String,
    /// Where it is called.
    pub url: String,
    /// Whose it is.
    pub namespace: String,
    /// The function's name.
    pub function: String,
    /// `current`, `version:NUMBER` or `alias:NAME`.
    pub selector: String,
    /// For people; may be empty.
    pub description: String,
    /// How calls must be signed: `github` or `stripe`; `null`: not at all.
    pub signature: Option<String>,
    /// What they are signed with; only when it has just been made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// UTC milliseconds.
    pub created_at_ms: i64,
    /// UTC milliseconds.
    pub updated_at_ms: i64,
}

/// `GET /webhooks`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookList {
    /// Oldest first.
    pub webhooks: Vec<WebhookView>,
}

/// `POST /functions/{name}/scale`: exactly one of them. Unit: workers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScaleRequest {
    /// So many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u16>,
    /// So many more than there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<u16>,
    /// So many fewer than there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<u16>,
}

/// What scaling came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScaleView {
    /// Workers that are kept from now on, the function's maximum at most.
    pub workers: u16,
}

/// `POST /functions/{name}/rename`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameRequest {
    /// The new name.
    pub name: String,
}
