//! What an application may use: tiers of memory, and the processor time that goes with each.
//!
//! The core's ranges are its own; here is only what this API adds to them.

use super::fault::Fault;
use super::note::Kind;
use crate::domain::{Scale, Timeout};

/// Sizes of a function. Unit: MB, which are the core's MiB.
const TIERS: [u32; 7] = [128, 256, 512, 1024, 2048, 3072, 4096];
/// Sizes of a container. Unit: MB.
const CONTAINER_MEMORY: std::ops::RangeInclusive<u32> = 128..=12_228;

/// What an application gets where nothing is said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usual {
    /// Unit: MB.
    pub(super) memory: u32,
    pub(super) max_scale: u16,
}

/// The oldest root's, and those of the newer ones.
pub(super) const ALPHA: Usual = Usual {
    memory: 128,
    max_scale: 20,
};
pub(super) const BETA_FUNCTION: Usual = Usual {
    memory: 256,
    max_scale: 5,
};
pub(super) const BETA_CONTAINER: Usual = Usual {
    memory: 2048,
    max_scale: 5,
};
/// Unit: milliseconds.
pub(super) const TIMEOUT_MS: u32 = 300_000;

/// The processor time that goes with a size. Unit: thousandths of a core.
/// Source: the table of the reference; larger sizes follow it.
pub(super) fn cpu_millis(memory: u32) -> u32 {
    memory.saturating_mul(70) / 128
}

/// Refuses a size that there is not.
///
/// # Errors
/// 400 that lists those there are.
pub(super) fn check_memory(kind: Kind, memory: u32) -> Result<(), Fault> {
    let known = match kind {
        Kind::Function => TIERS.contains(&memory),
        Kind::Container => CONTAINER_MEMORY.contains(&memory),
    };
    if known {
        return Ok(());
    }
    let help = match kind {
        Kind::Function => format!("{memory} MB is not on offer: use one of {TIERS:?}"),
        Kind::Container => {
            let (low, high) = (CONTAINER_MEMORY.start(), CONTAINER_MEMORY.end());
            format!("{memory} MB is out of range: use {low} to {high}")
        }
    };
    Err(Fault::argument("memory_limit", help))
}

/// Refuses a time that no call may take here.
///
/// # Errors
/// 400 with the core's sentence.
pub(super) fn check_timeout(millis: u32) -> Result<(), Fault> {
    let checked = Timeout::from_millis(millis);
    checked.map(drop).map_err(|e| Fault::argument("timeout", e.to_string()))
}

/// Refuses numbers of workers that cannot be.
///
/// # Errors
/// 400 with the core's sentence.
pub(super) fn check_scale(min: u16, max: u16) -> Result<(), Fault> {
    let checked = Scale::new(min, max);
    checked
        .map(drop)
        .map_err(|e| Fault::argument("max_scale", e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_follows_memory_as_the_reference_lists_it() {
        for (memory, cpu) in [
            (128, 70),
            (256, 140),
            (512, 280),
            (1024, 560),
            (2048, 1120),
            (4096, 2240),
        ] {
            assert_eq!(cpu_millis(memory), cpu);
        }
    }

    #[test]
    fn a_function_has_one_of_the_sizes_and_a_container_any_between() {
        assert!(check_memory(Kind::Function, 512).is_ok() && check_memory(Kind::Function, 500).is_err());
        assert!(check_memory(Kind::Container, 500).is_ok() && check_memory(Kind::Container, 64).is_err());
    }
}
