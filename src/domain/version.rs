//! Published versions, and aliases, which are names for them.

use super::{AliasName, Error, FunctionId, Namespace, RevisionId, Timestamp};

/// The number of a published version. Counts from 1 in each function; never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionNumber(u32);

impl VersionNumber {
    /// Checks and takes a number.
    ///
    /// # Errors
    /// `Error::Invalid` for 0.
    pub fn new(number: u32) -> Result<Self, Error> {
        if number == 0 {
            return Err(Error::invalid("versions count from 1"));
        }
        Ok(Self(number))
    }

    /// Reads it as it is written: digits, no sign, no leading zero.
    ///
    /// # Errors
    /// `Error::Invalid` for anything else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let number = text.parse().ok().filter(|n: &u32| n.to_string() == text);
        let wrong = || {
            Error::invalid(format!(
                "`{}` is no version number: they count from 1",
                text.escape_debug()
            ))
        };
        Self::new(number.ok_or_else(wrong)?)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl std::fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A revision that was published: it stays callable by its number whatever is deployed later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Whose.
    pub function: FunctionId,
    /// Its number.
    pub number: VersionNumber,
    /// The frozen code and settings.
    pub revision: RevisionId,
    /// What the publisher wrote; may be empty.
    pub description: String,
    /// When it was published.
    pub created_at: Timestamp,
}

/// What an alias leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pointer {
    /// The revision that serves when a call is made.
    Latest,
    /// A published version.
    Version(VersionNumber),
}

/// Where a part of an alias's calls goes instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Canary {
    /// Where to.
    pub pointer: Pointer,
    /// How many calls of a hundred.
    pub share: Share,
}

/// A part of all calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u8);

impl Share {
    /// Unit: percent, 1 to 99.
    ///
    /// # Errors
    /// `Error::Invalid` outside the range.
    pub fn from_percent(percent: u8) -> Result<Self, Error> {
        if (1..=99).contains(&percent) {
            return Ok(Self(percent));
        }
        Err(Error::invalid(format!(
            "a share of {percent} % is out of range: use 1 to 99 (for all calls, let the alias lead there)"
        )))
    }

    /// Unit: percent.
    #[must_use]
    pub fn percent(self) -> u8 {
        self.0
    }
}

/// A name for a version of a function, which can be moved to another while callers keep the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// Whose it is: its function's namespace.
    pub namespace: Namespace,
    /// Its name, unique in the namespace.
    pub name: AliasName,
    /// Which function.
    pub function: FunctionId,
    /// Where its calls go.
    pub pointer: Pointer,
    /// Where a part of them goes instead.
    pub canary: Option<Canary>,
    /// What its maker wrote; may be empty.
    pub description: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Alias {
    /// Where the call with this number goes; numbers spread evenly over 0 to 99 make the share exact in the long run.
    #[must_use]
    pub fn choose(&self, dice: u8) -> Pointer {
        match self.canary {
            Some(canary) if dice % 100 < canary.share.percent() => canary.pointer,
            _ => self.pointer,
        }
    }

    /// Whether any of its calls go to that version.
    #[must_use]
    pub fn leads_to(&self, number: VersionNumber) -> bool {
        let there = Pointer::Version(number);
        self.pointer == there || self.canary.is_some_and(|c| c.pointer == there)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_gets_its_share_and_no_more() {
        let one = Pointer::Version(VersionNumber::new(1).expect("above 0"));
        let mut alias = Alias {
            namespace: Namespace::default_namespace(),
            name: AliasName::parse("live").expect("a name"),
            function: FunctionId::generate(),
            pointer: Pointer::Latest,
            canary: None,
            description: String::new(),
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        };
        let count = |alias: &Alias| (0..100).filter(|n| alias.choose(*n) == one).count();
        assert_eq!(count(&alias), 0);
        for percent in [1, 30, 99] {
            let share = Share::from_percent(percent).expect("in range");
            alias.canary = Some(Canary { pointer: one, share });
            assert_eq!(count(&alias), usize::from(percent));
        }
        assert!(Share::from_percent(0).is_err() && Share::from_percent(100).is_err());
    }
}
