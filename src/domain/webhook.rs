//! Webhooks: addresses by which the outside calls a function without any other credential.

use super::{Error, FunctionId, Selector, Timestamp};

/// A webhook's identity, and all that a caller has to know: nobody can guess it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookId([u8; 16]);

impl WebhookId {
    /// A new identity of 128 random bits, which says nothing of when it was made.
    ///
    /// # Errors
    /// `Internal` when the system gives no random bytes.
    pub fn generate() -> Result<Self, Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|e| Error::internal("the system gives no random bytes", e))?;
        Ok(Self(bytes))
    }

    /// Reads the hyphenated form in lower case; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let id = uuid::Uuid::try_parse(text).ok().map(|u| Self(u.into_bytes()))?;
        (id.to_string() == text).then_some(id)
    }

    /// The sixteen bytes, as stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// From the sixteen bytes, as stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Display for WebhookId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        uuid::Uuid::from_bytes(self.0).fmt(f)
    }
}

/// How a sender signs what it sends. Both are HMAC with SHA-256, in lower-case hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureScheme {
    /// Over the body: `X-Hub-Signature-256: sha256=…`.
    GitHub,
    /// Over time, a dot and the body: `Stripe-Signature: t=…,v1=…`; what is too old is refused.
    Stripe,
}

impl SignatureScheme {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::GitHub, Self::Stripe];

    /// Its name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::Stripe => "stripe",
        }
    }

    /// The scheme of that name.
    ///
    /// # Errors
    /// `Error::Invalid` that lists the names there are.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            Error::invalid(format!(
                "signature scheme `{}` is not known: use one of {names}",
                text.escape_debug()
            ))
        })
    }
}

/// What a sender signs with. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret that somebody else made.
    ///
    /// # Errors
    /// `Error::Invalid` unless it has 8 to 1,024 bytes.
    pub fn new(text: String) -> Result<Self, Error> {
        if (8..=1024).contains(&text.len()) {
            return Ok(Self(text));
        }
        Err(Error::invalid("a webhook's secret has 8 to 1,024 bytes"))
    }

    /// Makes one of 256 random bits.
    ///
    /// # Errors
    /// `Internal` when the system gives no random bytes.
    pub fn generate() -> Result<Self, Error> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).map_err(|e| Error::internal("the system gives no random bytes", e))?;
        Ok(Self(hex::encode(bytes)))
    }

    /// The secret itself: for signing, for the store, and once for its owner.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How calls of a webhook must be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signing {
    /// The form of the signature.
    pub scheme: SignatureScheme,
    /// What it is made with.
    pub secret: Secret,
}

/// An address by which the outside calls a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its identity.
    pub id: WebhookId,
    /// Which function.
    pub function: FunctionId,
    /// Which revision of it.
    pub selector: Selector,
    /// What its maker wrote; may be empty.
    pub description: String,
    /// How calls must be signed; `None`: whoever knows the address may call.
    pub signing: Option<Signing>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_in_one_form_only_and_never_made_twice() {
        let id = WebhookId::generate().expect("random bytes");
        assert_eq!(WebhookId::parse(&id.to_string()), Some(id));
        assert_eq!(WebhookId::parse(&id.to_string().replace('-', "")), None);
        assert_ne!(WebhookId::generate().expect("random bytes"), id);
    }

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::new("hunter2hunter2".to_owned()).expect("long enough");
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert!(Secret::new("short".to_owned()).is_err());
        assert_eq!(Secret::generate().expect("random bytes").reveal().len(), 64);
    }
}
