//! What a function may use, as it is sent: numbers in decimal text, each within its range.

use super::fault::Fault;
use super::form::Form;
use crate::app::Settings;
use crate::domain::{Cpu, Error, Memory, Timeout};

/// One mebibyte. Unit: bytes.
const MIB: u64 = 1024 * 1024;

/// Given, as far as they were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Resources {
    /// Unit: seconds.
    pub(super) timeout: Option<u32>,
    /// Unit: thousandths of a core.
    pub(super) cpu: Option<u32>,
    /// Unit: bytes.
    pub(super) memory_size: Option<u64>,
}

/// A field, and what upstream calls it in its sentences.
struct Bounds {
    field: &'static str,
    label: &'static str,
    low: u64,
    high: u64,
    unit: &'static str,
}

const TIMEOUT: Bounds = Bounds {
    field: "timeout",
    label: "timeout",
    low: 1,
    high: 300,
    unit: "seconds",
};
/// Unit: thousandths of a core.
pub(super) const CPU_MOST: u32 = 300;
const CPU: Bounds = Bounds {
    field: "cpu",
    label: "cpu",
    low: 100,
    high: CPU_MOST as u64,
    unit: "millicpu",
};
const MEMORY: Bounds = Bounds {
    field: "memory_size",
    label: "memory",
    low: 32 * MIB,
    high: 128 * MIB,
    unit: "bytes",
};

impl Resources {
    /// What a new function gets where nothing is said.
    pub(super) const DEFAULT: Self = Self {
        timeout: Some(5),
        cpu: Some(100),
        memory_size: Some(32 * MIB),
    };

    /// Reads a form's fields.
    ///
    /// # Errors
    /// 400 for what is no number or out of its range.
    pub(super) fn read(form: &Form) -> Result<Self, Fault> {
        let small = |bounds: &Bounds| -> Result<Option<u32>, Fault> {
            Ok(bounds.read(form)?.and_then(|n| u32::try_from(n).ok()))
        };
        Ok(Self {
            timeout: small(&TIMEOUT)?,
            cpu: small(&CPU)?,
            memory_size: MEMORY.read(form)?,
        })
    }

    /// These, and where they say nothing those.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            timeout: self.timeout.or(other.timeout),
            cpu: self.cpu.or(other.cpu),
            memory_size: self.memory_size.or(other.memory_size),
        }
    }

    /// Puts what is given into a deploy's settings.
    ///
    /// # Errors
    /// None for what `read` lets through.
    pub(super) fn apply(self, settings: &mut Settings) -> Result<(), Error> {
        if let Some(seconds) = self.timeout {
            settings.timeout = Some(Timeout::from_millis(seconds.saturating_mul(1000))?);
        }
        if let Some(bytes) = self.memory_size {
            settings.memory = Some(mebibytes(bytes)?);
        }
        if let Some(millis) = self.cpu {
            settings.cpu = Some(Some(Cpu::from_millis(millis)?));
        }
        Ok(())
    }
}

/// A size in the core's unit, rounded up.
pub(super) fn mebibytes(bytes: u64) -> Result<Memory, Error> {
    Memory::from_mib(u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX))
}

impl Bounds {
    fn read(&self, form: &Form) -> Result<Option<u64>, Fault> {
        let Some(text) = form.text(self.field) else {
            return Ok(None);
        };
        let Self {
            label, low, high, unit, ..
        } = self;
        let number: i64 = text
            .trim()
            .parse()
            .map_err(|_| Fault::bad(format!("Invalid {label} resource specified. An integer is required.")))?;
        match u64::try_from(number) {
            Ok(n) if (*low..=*high).contains(&n) => Ok(Some(n)),
            _ => Err(Fault::bad(format!(
                "{label} resource limitation not within the allowable range: {low} ~ {high}({unit})."
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &str) -> Result<Resources, String> {
        Resources::read(&Form::of_pairs(pairs)).map_err(|fault| fault.message)
    }

    #[test]
    fn ranges_hold_at_both_ends() {
        for (pairs, timeout, cpu, memory_size) in [
            ("timeout=1&cpu=100&memory_size=33554432", 1, 100, 33_554_432),
            ("timeout=300&cpu=300&memory_size=134217728", 300, 300, 134_217_728),
        ] {
            let wanted = Resources {
                timeout: Some(timeout),
                cpu: Some(cpu),
                memory_size: Some(memory_size),
            };
            assert_eq!(read(pairs), Ok(wanted));
        }
        assert_eq!(read("memory=33000000&name=f"), Ok(Resources::default()));
    }

    #[test]
    fn what_is_no_number_or_too_much_is_refused_in_upstreams_words() {
        let cpu = "cpu resource limitation not within the allowable range: 100 ~ 300(millicpu).";
        let memory = "memory resource limitation not within the allowable range: 33554432 ~ 134217728(bytes).";
        let timeout = "timeout resource limitation not within the allowable range: 1 ~ 300(seconds).";
        for (pairs, sentence) in [
            ("cpu=99", cpu),
            ("cpu=301", cpu),
            ("cpu=-100", cpu),
            ("memory_size=33554431", memory),
            ("memory_size=134217729", memory),
            ("timeout=0", timeout),
            ("timeout=301", timeout),
            (
                "timeout=",
                "Invalid timeout resource specified. An integer is required.",
            ),
            ("cpu=5.5", "Invalid cpu resource specified. An integer is required."),
            (
                "memory_size=x",
                "Invalid memory resource specified. An integer is required.",
            ),
            (
                "cpu=x&timeout=x",
                "Invalid timeout resource specified. An integer is required.",
            ),
        ] {
            assert_eq!(read(pairs), Err(sentence.to_owned()), "{pairs}");
        }
    }

    #[test]
    fn bytes_are_rounded_up_to_what_the_core_counts_in() {
        assert_eq!(mebibytes(33_554_432).expect("in range").mib(), 32);
        assert_eq!(mebibytes(33_554_433).expect("in range").mib(), 33);
    }
}
