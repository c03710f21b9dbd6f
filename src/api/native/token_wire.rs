//! The JSON of access tokens, as the daemon answers it and the command line reads it. Types only.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /tokens`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenSettings {
    /// What people call it; unique. Default: made up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `admin`, `user` or `invoke`. Default: `user`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    /// Its identity, never reused.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whose functions it reaches; an admin's reaches all, and this one unless another is named.
    pub namespace: String,
    /// `admin`: everything; `user`: everything in its namespace; `invoke`: calls functions of its namespace.
    pub role: String,
    /// UTC milliseconds.
    pub created_at_ms: i64,
}

/// A token that was just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewTokenView {
    /// What is known of it.
    #[serde(flatten)]
    pub view: TokenView,
    /// The token itself. It is in this answer and in no other.
    pub token: String,
}

impl std::fmt::Debug for NewTokenView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewTokenView")
            .field("view", &self.view)
            .finish_non_exhaustive()
    }
}

/// `GET /tokens`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenList {
    /// Oldest first; the one in the settings is not among them.
    pub tokens: Vec<TokenView>,
}
