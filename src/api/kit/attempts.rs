//! Slows down who shows wrong tokens. Pure: `now` is an argument.
//!
//! Each wrong token takes its address a while, one after the other, and its answer comes when that is over. Whoever
//! has a right one never waits, unless so many wrong ones of the same address wait that none is looked at.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What one wrong token takes.
const COST: Duration = Duration::from_millis(250);
/// So much of it may wait for one address.
const PATIENCE: Duration = Duration::from_secs(4);
/// So many addresses are told apart; the others share one place.
const ADDRESSES: usize = 4096;
/// Where those stand who cannot be told apart.
const SHARED: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// When the wrong tokens of each address are paid for.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<IpAddr, Instant>>);

impl Attempts {
    /// Whether a token of that address is looked at; else, how long it should stay away.
    pub(super) fn may_try(&self, from: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        let all = self.lock();
        let free_at = all.get(&place(&all, from)).copied().unwrap_or(now);
        match free_at.saturating_duration_since(now) {
            waiting if waiting < PATIENCE => Ok(()),
            waiting => Err(waiting.saturating_sub(PATIENCE) + COST),
        }
    }

    /// Takes down a wrong token; answers how long its answer waits.
    pub(super) fn failed(&self, from: Option<IpAddr>, now: Instant) -> Duration {
        let mut all = self.lock();
        if all.len() >= ADDRESSES {
            all.retain(|_, free_at| *free_at > now);
        }
        let place = place(&all, from);
        let free_at = all.entry(place).or_insert(now);
        *free_at = (*free_at).max(now) + COST;
        free_at.saturating_duration_since(now)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(all: &HashMap<IpAddr, Instant>, from: Option<IpAddr>) -> IpAddr {
    let from = from.map_or(SHARED, network);
    if all.len() < ADDRESSES || all.contains_key(&from) {
        return from;
    }
    SHARED
}

/// One machine has a whole /64 of IPv6 addresses to choose from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() >> 64 << 64).into(),
        four @ IpAddr::V4(_) => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u32) -> Option<IpAddr> {
        Some(Ipv4Addr::from_bits(0x0a00_0000 + last).into())
    }

    #[test]
    fn wrong_tokens_of_one_address_wait_for_each_other_until_none_is_looked_at() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for n in 1..=16 {
            assert_eq!(attempts.may_try(address(1), now), Ok(()));
            assert_eq!(attempts.failed(address(1), now), COST * n);
        }
        assert_eq!(attempts.may_try(address(1), now), Err(COST));
        assert_eq!(attempts.may_try(address(2), now), Ok(()));
        assert_eq!(attempts.may_try(address(1), now + COST), Ok(()));
    }

    #[test]
    fn who_errs_now_and_then_waits_the_same_each_time() {
        let (attempts, begun) = (Attempts::default(), Instant::now());
        for n in 0..100 {
            assert_eq!(attempts.failed(address(1), begun + COST * n), COST);
        }
    }

    #[test]
    fn memory_is_bounded_and_those_beyond_share_a_place() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for n in 0..10_000 {
            attempts.failed(address(n), now);
        }
        assert!(attempts.lock().len() <= ADDRESSES + 1);
        assert!(attempts.may_try(address(20_000), now).is_err());
        attempts.failed(address(1), now + PATIENCE * 1_000);
        assert!(attempts.lock().len() < 10);
    }

    #[test]
    fn neighbours_in_a_network_of_ipv6_are_one() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let six = |text: &str| Some(text.parse::<IpAddr>().expect("an address"));
        attempts.failed(six("2001:db8::1"), now);
        assert_eq!(attempts.failed(six("2001:db8::2"), now), COST * 2);
        assert_eq!(attempts.failed(six("2001:db8:0:1::2"), now), COST);
    }
}
