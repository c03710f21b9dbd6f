//! TCP ports that functions own on the daemon's address.

use super::{Error, FunctionId};
use std::num::NonZeroU16;
use std::ops::RangeInclusive;

/// A TCP port; never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(NonZeroU16);

impl Port {
    /// Takes a port's number.
    ///
    /// # Errors
    /// `Error::Invalid` for 0.
    pub fn new(number: u16) -> Result<Self, Error> {
        let number = NonZeroU16::new(number);
        number
            .map(Self)
            .ok_or_else(|| Error::invalid("a port is a number from 1 to 65535"))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A function's own port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionPort {
    /// Whose.
    pub function: FunctionId,
    /// Which.
    pub port: Port,
}

/// Ports from which functions that ask for no particular one are given theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRange(RangeInclusive<u16>);

impl PortRange {
    /// Reads `30000-32767`.
    ///
    /// # Errors
    /// `Error::Invalid` unless it is two ports, the smaller one first.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let number = |part: &str| part.trim().parse::<u16>().ok().filter(|n| *n > 0);
        let range = text
            .split_once('-')
            .and_then(|(first, last)| Some(number(first)?..=number(last)?));
        let range = range.filter(|range| !range.is_empty());
        range
            .map(Self)
            .ok_or_else(|| Error::invalid("a range of ports is two numbers from 1 to 65535, such as 30000-32767"))
    }

    /// The ports, the smallest first.
    pub fn iter(&self) -> impl Iterator<Item = Port> + use<> {
        self.0.clone().filter_map(|number| Port::new(number).ok())
    }
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.0.start(), self.0.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_it_is_written_and_holds_both_ends() {
        let range = PortRange::parse("30000-30002").expect("a range");
        assert_eq!(range.to_string(), "30000-30002");
        let ports: Vec<_> = range.iter().map(Port::get).collect();
        assert_eq!(ports, [30000, 30001, 30002]);
        for bad in ["", "1", "0-5", "5-4", "1-65536", "a-b", "1-2-3"] {
            assert!(PortRange::parse(bad).is_err(), "{bad}");
        }
        assert!(Port::new(0).is_err());
    }
}
