//! Who may call a private function: tokens (JWT, RS256) are made with a namespace's key and checked at the function's gate.
//!
//! Knows no headers and no answers beyond what the gate says. Only calls that come in through the ingress are checked.

use super::{App, Callee, no_such_function_id};
use crate::domain::{ClaimRule, Error, FunctionId, Gate, GateAnswer, Namespace, Timestamp};
use crate::store::StoredKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use rsa::pkcs1::{DecodeRsaPublicKey, EncodeRsaPrivateKey, EncodeRsaPublicKey, LineEnding};
use rsa::rand_core::OsRng;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Size of a namespace's key. Unit: bits.
const KEY_BITS: usize = 2048;
/// A longer token is none. Unit: bytes.
const LONGEST_TOKEN: usize = 16 * 1024;
/// The head of every token that is made here.
const HEAD: &str = r#"{"alg":"RS256","typ":"JWT"}"#;

/// A gate with its keys read, ready to check callers.
#[derive(Debug)]
pub struct Gatekeeper {
    /// The rule.
    pub gate: Gate,
    /// The public keys as PKCS#1 in DER.
    keys: Vec<Vec<u8>>,
}

/// All gates, as they are asked for.
#[derive(Debug, Default)]
pub(super) struct Gates(RwLock<HashMap<FunctionId, Arc<Gatekeeper>>>);

impl Gates {
    fn of(&self, function: FunctionId) -> Option<Arc<Gatekeeper>> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&function).cloned()
    }

    fn put(&self, function: FunctionId, keeper: Gatekeeper) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(function, Arc::new(keeper));
    }

    pub(super) fn remove(&self, function: FunctionId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&function);
    }
}

impl App {
    /// Makes a function private, by this rule in place of the one it had. Holds for the next call.
    ///
    /// # Errors
    /// `Invalid` for a rule that cannot be kept, `NotFound` when there is no such function.
    pub async fn set_gate(&self, function: FunctionId, gate: Gate) -> Result<(), Error> {
        let keeper = Gatekeeper::new(gate.clone())?;
        check_rule(&gate)?;
        let _change = self.0.directory.change().await;
        if self.0.store.function(function).await?.is_none() {
            return Err(no_such_function_id(function));
        }
        self.0.store.set_gate(function, gate).await?;
        self.0.gates.put(function, keeper);
        Ok(())
    }

    /// Makes a function public again; `false` when it was.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn remove_gate(&self, function: FunctionId) -> Result<bool, Error> {
        let _change = self.0.directory.change().await;
        let removed = self.0.store.delete_gate(function).await?;
        self.0.gates.remove(function);
        Ok(removed)
    }

    /// A function's gate, and the namespace it is in; `None` for a public one.
    ///
    /// # Errors
    /// `NotFound` when there is no such function.
    pub fn gate(&self, callee: Callee<'_>) -> Result<Option<(Arc<Gatekeeper>, Namespace)>, Error> {
        let served = self.served(callee)?;
        let keeper = self.0.gates.of(served.function.id);
        Ok(keeper.map(|keeper| (keeper, served.function.namespace.clone())))
    }

    /// The public half (PKCS#1, PEM) of the key that signs tokens for a namespace; made when it is first asked for.
    ///
    /// # Errors
    /// `Conflict` when the key was encrypted with a key file that is gone.
    pub async fn signing_key(&self, namespace: &Namespace) -> Result<String, Error> {
        Ok(self.key_pair(namespace).await?.public)
    }

    /// Makes a token (JWT, RS256) of these claims with a namespace's key. It is not kept.
    ///
    /// # Errors
    /// As [`App::signing_key`].
    pub async fn sign_token(&self, namespace: &Namespace, claims: &Value) -> Result<String, Error> {
        let pair = self.key_pair(namespace).await?;
        let signed = tokio::task::spawn_blocking({
            let claims = claims.to_string();
            move || sign(&pair.private, &claims)
        });
        signed
            .await
            .map_err(|e| Error::internal("a token could not be signed", e))?
    }

    async fn key_pair(&self, namespace: &Namespace) -> Result<StoredKey, Error> {
        match self.0.store.signing_key(namespace).await? {
            Some(Ok(pair)) => return Ok(pair),
            Some(Err(_)) => return Err(lost_key(namespace)),
            None => {}
        }
        let made = tokio::task::spawn_blocking(make_key).await;
        let made = made.map_err(|e| Error::internal("a key could not be made", e))??;
        let now = self.0.clock.now();
        let kept = self.0.store.keep_signing_key(namespace, &made, now).await?;
        kept.ok_or_else(|| lost_key(namespace))
    }

    /// Takes the stored gates into memory.
    pub(super) async fn read_gates(&self) -> Result<(), Error> {
        for (function, gate) in self.0.store.list_gates().await? {
            self.0.gates.put(function, Gatekeeper::new(gate)?);
        }
        Ok(())
    }
}

impl Gatekeeper {
    fn new(gate: Gate) -> Result<Self, Error> {
        let keys: Result<_, _> = gate.keys.iter().map(|pem| public_der(pem)).collect();
        Ok(Self { keys: keys?, gate })
    }

    /// Lets a caller pass who shows this token.
    ///
    /// # Errors
    /// What the gate answers to a caller it keeps out.
    pub fn check(&self, token: Option<&str>, now: Timestamp) -> Result<(), &GateAnswer> {
        let token = token.filter(|t| !t.is_empty()).ok_or(&self.gate.missing)?;
        let claims = self.claims(token, now).ok_or(&self.gate.invalid)?;
        match fits(&self.gate.claims, &claims) {
            Fit::Fits => Ok(()),
            Fit::Malformed => Err(&self.gate.invalid),
            Fit::Elsewhere => Err(&self.gate.elsewhere),
        }
    }

    /// What a token says, if one of the keys signed it and it is its time.
    fn claims(&self, token: &str, now: Timestamp) -> Option<Value> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (head, body) = signed.split_once('.')?;
        let head: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).ok()?).ok()?;
        if head["alg"] != "RS256" || head.get("crit").is_some() {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let by = |key: &&Vec<u8>| {
            let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.as_slice());
            key.verify(signed.as_bytes(), &signature).is_ok()
        };
        self.keys.iter().find(by)?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
        (is_its_time(&claims, now) && !self.is_revoked(&claims)).then_some(claims)
    }

    fn is_revoked(&self, claims: &Value) -> bool {
        let id = claims["jti"].as_str();
        id.is_some_and(|id| self.gate.revoked.iter().any(|revoked| revoked == id))
    }
}

/// From when, made when, until when: those that are there count; one that is no number is never fulfilled.
fn is_its_time(claims: &Value, now: Timestamp) -> bool {
    let now = now.as_millis() as f64 / 1000.0;
    let holds = |name: &str, rule: fn(f64, f64) -> bool| match claims.get(name) {
        None | Some(Value::Null) => true,
        Some(value) => value.as_f64().is_some_and(|at| rule(now, at)),
    };
    holds("exp", |now, at| now < at) && holds("nbf", |now, at| now >= at) && holds("iat", |now, at| now >= at)
}

#[derive(Debug, PartialEq, Eq)]
enum Fit {
    Fits,
    /// It is a good token for something else.
    Elsewhere,
    /// It does not have the form that the rule asks for.
    Malformed,
}

fn fits(rule: &ClaimRule, claims: &Value) -> Fit {
    let object = match &rule.list {
        None => claims,
        Some(name) => match claims[name.as_str()].as_array().map(Vec::as_slice) {
            Some([one]) => one,
            _ => return Fit::Malformed,
        },
    };
    let fits = |(name, value): &(String, String)| !value.is_empty() && object[name.as_str()] == value.as_str();
    match rule.any_of.iter().any(fits) {
        true => Fit::Fits,
        false => Fit::Elsewhere,
    }
}

fn check_rule(gate: &Gate) -> Result<(), Error> {
    let header = |name: &String| {
        let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        !name.is_empty() && name.bytes().all(inside)
    };
    if gate.headers.is_empty() || !gate.headers.iter().all(header) {
        return Err(Error::invalid(
            "a gate names the headers that may carry the token, in lower case",
        ));
    }
    let answers = [&gate.missing, &gate.invalid, &gate.elsewhere];
    if answers.iter().any(|a| !(400..=599).contains(&a.status)) {
        return Err(Error::invalid("a gate answers with a status from 400 to 599"));
    }
    Ok(())
}

fn public_der(pem: &str) -> Result<Vec<u8>, Error> {
    let not_a_key = || Error::invalid("a gate's key is no public RSA key in PEM (PKCS#1, `RSA PUBLIC KEY`)");
    let key = rsa::RsaPublicKey::from_pkcs1_pem(pem).map_err(|_| not_a_key())?;
    let der = key.to_pkcs1_der().map_err(|_| not_a_key())?;
    Ok(der.as_bytes().to_vec())
}

fn make_key() -> Result<StoredKey, Error> {
    let failed = |e: &dyn std::fmt::Display| Error::internal("a key could not be made", e.to_string());
    let private = rsa::RsaPrivateKey::new(&mut OsRng, KEY_BITS).map_err(|e| failed(&e))?;
    let public = private.to_public_key();
    Ok(StoredKey {
        public: public.to_pkcs1_pem(LineEnding::LF).map_err(|e| failed(&e))?,
        private: private.to_pkcs1_der().map_err(|e| failed(&e))?.as_bytes().to_vec(),
    })
}

fn sign(private: &[u8], claims: &str) -> Result<String, Error> {
    let failed = |e: &dyn std::fmt::Display| Error::internal("a token could not be signed", e.to_string());
    let pair = RsaKeyPair::from_der(private).map_err(|e| failed(&e))?;
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEAD), URL_SAFE_NO_PAD.encode(claims));
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .map_err(|e| failed(&e))?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn lost_key(namespace: &Namespace) -> Error {
    Error::conflict(format!(
        "the key that signs tokens of namespace `{namespace}` cannot be read, because it was encrypted with another key \
         file than the one in the data directory: put that file back, or delete the namespace and make it again"
    ))
}

#[cfg(test)]
mod tests;
