//! Access tokens: made, listed, revoked, and recognised in memory, so that a call asks no database.
//!
//! A token is `hob_` and 256 random bits in hexadecimal. Nothing but its sha256 is kept, here or on the disk.

use super::App;
use crate::domain::{Error, Namespace, Principal, Role, Secret, Token, TokenId, TokenName};
use crate::store::StoredToken;
use sha2::{Digest, Sha256};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use subtle::{ConditionallySelectable, ConstantTimeEq};

/// What each token begins with, so that people and scanners know one when they see one.
const PREFIX: &str = "hob_";
/// So many tokens there may be: each is compared with what a caller shows.
const MOST: usize = 1000;

/// What there is to know callers by; clones are the same.
#[derive(Clone, Default)]
pub struct Keys(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// The configured token's hash; it is an admin's.
    configured: Option<[u8; 32]>,
    /// The hash of the secret by which this process knows itself, once it has one; it is an admin's.
    own: OnceLock<[u8; 32]>,
    /// Other machines can reach us: then nobody comes in without a token, even if there is none.
    exposed: bool,
    stored: RwLock<Vec<StoredToken>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("needed", &self.needed()).finish()
    }
}

impl Keys {
    /// With the configured token, an admin's; `exposed` where other machines can reach the daemon.
    #[must_use]
    pub fn new(configured: Option<&str>, exposed: bool) -> Self {
        Self(Arc::new(Inner {
            configured: configured.map(hash),
            own: OnceLock::new(),
            exposed,
            stored: RwLock::default(),
        }))
    }

    /// Whether a request needs a token: as soon as there is one, or where other machines can reach us.
    #[must_use]
    pub fn needed(&self) -> bool {
        self.exposed() || self.any()
    }

    /// Whether other machines can reach us.
    #[must_use]
    pub fn exposed(&self) -> bool {
        self.0.exposed
    }

    /// Whether there is a token.
    #[must_use]
    pub fn any(&self) -> bool {
        self.0.configured.is_some() || !self.stored().is_empty()
    }

    /// Who shows this. Takes a time that depends on the number of tokens, not on how much of one was right.
    #[must_use]
    pub fn recognise(&self, shown: &str) -> Option<Principal> {
        let shown = hash(shown);
        let stored = self.stored();
        let mut found = u64::MAX;
        for (index, known) in (0_u64..).zip(stored.iter()) {
            found.conditional_assign(&index, known.hash.ct_eq(&shown));
        }
        let is = |known: Option<&[u8; 32]>| known.is_some_and(|known| known.ct_eq(&shown).into());
        let (configured, own) = (is(self.0.configured.as_ref()), is(self.0.own.get()));
        if configured || own {
            return Some(operator());
        }
        let index = usize::try_from(found).ok()?;
        stored.get(index).map(|known| known.token.principal.clone())
    }

    /// A secret for requests of this process to itself: an admin's, never written down, and gone with the process.
    ///
    /// # Errors
    /// When the system gives no random bytes, or when it was asked for before: one is enough.
    pub fn own_secret(&self) -> Result<String, Error> {
        let secret = random_secret()?;
        let first = self.0.own.set(hash(&secret)).is_ok();
        first
            .then_some(secret)
            .ok_or_else(|| Error::conflict("this process has its own secret already"))
    }

    /// What is known of the stored tokens, oldest first.
    fn list(&self) -> Vec<Token> {
        self.stored().iter().map(|s| s.token.clone()).collect()
    }

    fn set(&self, tokens: Vec<StoredToken>) {
        *self.0.stored.write().unwrap_or_else(PoisonError::into_inner) = tokens;
    }

    fn stored(&self) -> std::sync::RwLockReadGuard<'_, Vec<StoredToken>> {
        self.0.stored.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first token must be an admin's: with another one, nobody could make a second.
    fn check_new(&self, role: Role) -> Result<(), Error> {
        if role != Role::Admin && !self.any() {
            return Err(Error::conflict(
                "the first token must be an admin's, because from then on every request needs one: make it with `hob token create --role admin`",
            ));
        }
        if self.stored().len() >= MOST {
            return Err(Error::conflict(format!(
                "there are {MOST} tokens already: revoke some with `hob token revoke`"
            )));
        }
        Ok(())
    }

    /// Refuses to take the last admin's token while others, or other machines, would be left outside for good.
    fn check_revoke(&self, id: TokenId) -> Result<(), Error> {
        let rest: Vec<_> = self.list().into_iter().filter(|t| t.id != id).collect();
        let admin = self.0.configured.is_some() || rest.iter().any(|t| t.principal.role == Role::Admin);
        if admin || (rest.is_empty() && !self.exposed()) {
            return Ok(());
        }
        let why = if rest.is_empty() {
            "other machines can reach this daemon: make another admin's token first, or listen on 127.0.0.1"
        } else {
            "nobody could make or revoke one any more: make another admin's token first, or revoke the others before it"
        };
        Err(Error::conflict(format!(
            "this is the last token of an admin, and {why}"
        )))
    }
}

/// Who shows the configured token.
fn operator() -> Principal {
    Principal {
        namespace: Namespace::default_namespace(),
        role: Role::Admin,
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A token that is wanted.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// What people call it; `None`: after its identity.
    pub name: Option<TokenName>,
    /// Who will show it.
    pub principal: Principal,
}

/// A token that was just made.
pub struct MadeToken {
    /// What is known of it.
    pub token: Token,
    /// The secret itself, for its maker to see, once.
    pub secret: String,
}

impl std::fmt::Debug for MadeToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeToken")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

impl App {
    /// What callers are known by.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.0.keys
    }

    /// Makes a token. It holds for the next request.
    ///
    /// # Errors
    /// `Conflict` when the name is taken, when there are too many, or when it is the first and not an admin's.
    pub async fn create_token(&self, new: NewToken) -> Result<MadeToken, Error> {
        let _one_at_a_time = self.0.keys_change.lock().await;
        self.0.keys.check_new(new.principal.role)?;
        let secret = random_secret()?;
        let id = TokenId::generate();
        let name = new.name.map_or_else(|| name_after(id), Ok)?;
        let token = Token {
            id,
            name,
            principal: new.principal,
            created_at: self.0.clock.now(),
        };
        let stored = StoredToken {
            token: token.clone(),
            hash: hash(&secret),
        };
        self.0.store.create_token(stored).await?;
        self.read_tokens().await?;
        Ok(MadeToken { token, secret })
    }

    /// The tokens, oldest first; the configured one is not among them.
    #[must_use]
    pub fn list_tokens(&self) -> Vec<Token> {
        self.0.keys.list()
    }

    /// Takes a token's power away, by its name or its id. It is gone for the next request.
    ///
    /// # Errors
    /// `NotFound`, or `Conflict` when nobody could come in any more.
    pub async fn revoke_token(&self, which: &str) -> Result<(), Error> {
        let _one_at_a_time = self.0.keys_change.lock().await;
        let named = |t: &Token| t.name.as_str() == which || t.id.to_string() == which;
        let found = self.0.keys.list().into_iter().find(named);
        let found = found.ok_or_else(|| {
            Error::not_found(format!(
                "there is no token `{}`: `hob token list` shows what there is",
                which.escape_debug()
            ))
        })?;
        self.0.keys.check_revoke(found.id)?;
        self.0.store.delete_token(found.id).await?;
        self.read_tokens().await
    }

    /// Takes the stored tokens into memory.
    pub(super) async fn read_tokens(&self) -> Result<(), Error> {
        self.0.keys.set(self.0.store.list_tokens().await?);
        Ok(())
    }
}

fn random_secret() -> Result<String, Error> {
    Ok(format!("{PREFIX}{}", Secret::generate()?.reveal()))
}

/// The random end of an identity is enough of a name.
fn name_after(id: TokenId) -> Result<TokenName, Error> {
    let text = id.to_string();
    let end = text.rsplit('-').next().unwrap_or(&text);
    TokenName::parse(&format!("token-{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    fn stored(name: &str, role: Role, secret: &str) -> StoredToken {
        let token = Token {
            id: TokenId::generate(),
            name: TokenName::parse(name).expect("a name"),
            principal: Principal {
                namespace: Namespace::parse(name).expect("a name"),
                role,
            },
            created_at: Timestamp::from_millis(0),
        };
        StoredToken {
            token,
            hash: hash(secret),
        }
    }

    #[test]
    fn a_secret_is_recognised_and_nothing_like_it() {
        let keys = Keys::new(Some("configured"), false);
        keys.set(vec![stored("a", Role::User, "one"), stored("b", Role::Invoke, "two")]);
        let namespace = |shown: &str| keys.recognise(shown).map(|p| (p.namespace.to_string(), p.role));
        assert_eq!(namespace("one"), Some(("a".to_owned(), Role::User)));
        assert_eq!(namespace("two"), Some(("b".to_owned(), Role::Invoke)));
        assert_eq!(namespace("configured"), Some(("default".to_owned(), Role::Admin)));
        for wrong in ["", "on", "one ", "ONE", "three"] {
            assert_eq!(namespace(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_token_is_needed_once_there_is_one_or_when_others_can_reach_us() {
        assert!(!Keys::new(None, false).needed());
        assert!(Keys::new(None, true).needed());
        assert!(Keys::new(Some("configured"), false).needed());
        let keys = Keys::new(None, false);
        keys.set(vec![stored("a", Role::Admin, "one")]);
        assert!(keys.needed());
        keys.set(Vec::new());
        assert!(!keys.needed());
    }

    #[test]
    fn the_first_token_is_an_admins() {
        let keys = Keys::new(None, false);
        assert!(keys.check_new(Role::User).is_err());
        assert!(keys.check_new(Role::Admin).is_ok());
        assert!(Keys::new(Some("configured"), false).check_new(Role::Invoke).is_ok());
    }

    #[test]
    fn the_last_admins_token_stays_while_others_need_it() {
        let (admin, user) = (stored("a", Role::Admin, "one"), stored("u", Role::User, "two"));
        let table = [
            // configured, exposed, others, may go
            (None, false, false, true),
            (None, false, true, false),
            (None, true, false, false),
            (Some("configured"), true, true, true),
        ];
        for (configured, exposed, others, may_go) in table {
            let keys = Keys::new(configured, exposed);
            let rest = others.then(|| user.clone());
            keys.set(std::iter::once(admin.clone()).chain(rest).collect());
            let refused = keys.check_revoke(admin.token.id).is_err();
            assert_eq!(refused, !may_go, "{configured:?} {exposed} {others}");
        }
    }

    #[test]
    fn secrets_are_long_random_and_not_printed() {
        let (a, b) = (random_secret().expect("random"), random_secret().expect("random"));
        assert_ne!(a, b);
        assert_eq!((a.len(), a.starts_with(PREFIX)), (PREFIX.len() + 64, true));
        let made = MadeToken {
            token: stored("a", Role::User, &a).token,
            secret: a.clone(),
        };
        assert!(!format!("{made:?}").contains(&a));
    }
}
