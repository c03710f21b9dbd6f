//! A gate: what callers of a private function have to show before it is reached. Says the rule; checks nothing.

/// What a caller is answered that the gate keeps out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateAnswer {
    /// HTTP status.
    pub status: u16,
    /// Plain text; may be empty.
    pub body: String,
}

/// Which claims let a caller pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimRule {
    /// The claim that holds a list of exactly one object, in which the members are looked for; `None`: the claims
    /// themselves are that object.
    pub list: Option<String>,
    /// Names and values: one that fits is enough. An empty value fits nothing.
    pub any_of: Vec<(String, String)>,
}

/// What callers of a private function have to show: a token (a JWT) that is signed with RS256 by one of the keys, is not
/// used before or after its time, and has the claims. Other algorithms are refused.
///
/// Holds for calls through the ingress. The scheduler, webhooks and the APIs do not pass through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Public keys as PKCS#1 in PEM (`RSA PUBLIC KEY`); none: no token is good.
    pub keys: Vec<String>,
    /// Headers that may carry the token, in lower case; the first that is there counts. `Bearer ` before it is passed over.
    pub headers: Vec<String>,
    /// Which claims let a caller pass.
    pub claims: ClaimRule,
    /// Tokens with these ids (`jti`) are good no more.
    pub revoked: Vec<String>,
    /// Whether an access token of the daemon is good too.
    pub access_tokens: bool,
    /// Whether the function sees the header with the token.
    pub forward: bool,
    /// To who shows no token.
    pub missing: GateAnswer,
    /// To who shows one that is not good: signature, algorithm, time, form.
    pub invalid: GateAnswer,
    /// To who shows a good one for something else.
    pub elsewhere: GateAnswer,
}
