//! Where a call stands in a trace, as the header `traceparent` carries it. Pure.
//!
//! Source: W3C Trace Context, <https://www.w3.org/TR/trace-context/>.

use crate::domain::ExecutionId;

/// The header that says which span caused a call.
const TRACEPARENT: &str = "traceparent";
const SAMPLED: u8 = 1;

/// A call's place: its trace, its own span, and the span that caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    pub(super) trace: [u8; 16],
    pub(super) span: [u8; 8],
    pub(super) parent: Option<[u8; 8]>,
    flags: u8,
}

impl Context {
    /// The place of a call with these headers. One that nobody caused begins a trace that is named as the call is.
    #[must_use]
    pub fn of(id: ExecutionId, headers: &[(String, String)]) -> Self {
        let bytes = *id.as_bytes();
        let mut span = [0; 8];
        span.copy_from_slice(&bytes[8..]);
        let mut said = headers.iter().filter(|(name, _)| name == TRACEPARENT);
        // Said twice is said wrongly.
        let caused = match (said.next(), said.next()) {
            (Some((_, value)), None) => parse(value),
            _ => None,
        };
        match caused {
            Some((trace, parent, flags)) => Self {
                trace,
                span,
                parent: Some(parent),
                flags,
            },
            None => Self {
                trace: bytes,
                span,
                parent: None,
                flags: SAMPLED,
            },
        }
    }

    /// Whether whoever began the trace wants it told.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Makes what the function calls a part of this call's span. What was said wrongly goes, with `tracestate`, which
    /// means nothing without it.
    pub fn pass_on(&self, headers: &mut Vec<(String, String)>) {
        let goes = |name: &str| name == TRACEPARENT || (name == "tracestate" && self.parent.is_none());
        headers.retain(|(name, _)| !goes(name));
        let value = format!(
            "00-{}-{}-{:02x}",
            hex::encode(self.trace),
            hex::encode(self.span),
            self.flags
        );
        headers.push((TRACEPARENT.to_owned(), value));
    }

    /// The span of a part of this call; `n` is below 64. A call's own span begins with the bits of its id's variant, its
    /// parts' spans never do.
    pub(super) fn part(&self, n: u8) -> [u8; 8] {
        let mut span = self.span;
        span[0] = n & 0x3f;
        span
    }
}

/// Trace, span and flags. A version to come may say more behind them.
fn parse(value: &str) -> Option<([u8; 16], [u8; 8], u8)> {
    let mut parts = value.trim().split('-');
    let [version] = bytes(parts.next()?)?;
    let (trace, span, [flags]) = (bytes(parts.next()?)?, bytes(parts.next()?)?, bytes(parts.next()?)?);
    let good = version != 0xff && (version != 0 || parts.next().is_none()) && trace != [0; 16] && span != [0; 8];
    // Of the flags, this version knows one.
    good.then_some((trace, span, flags & SAMPLED))
}

/// As many bytes, in lower-case hexadecimal.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
    let mut all = [0; N];
    hex::decode_to_slice(text, &mut all).ok().filter(|()| lower)?;
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn a_call_takes_its_place_in_the_callers_trace_and_the_function_its_place_in_the_calls() {
        let id = ExecutionId::generate();
        let mut said = headers(&[("traceparent", GIVEN), ("tracestate", "a=1"), ("x", "y")]);
        let context = Context::of(id, &said);
        assert_eq!(hex::encode(context.trace), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.parent.map(hex::encode).as_deref(), Some("00f067aa0ba902b7"));
        context.pass_on(&mut said);
        let expect = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", hex::encode(context.span));
        assert_eq!(
            said,
            headers(&[("tracestate", "a=1"), ("x", "y"), ("traceparent", &expect)])
        );
        let next = Context::of(ExecutionId::generate(), &said);
        assert_eq!((next.trace, next.parent), (context.trace, Some(context.span)));
    }

    #[test]
    fn a_call_that_nobody_caused_begins_a_trace_of_its_own_name() {
        let id = ExecutionId::generate();
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ] {
            let mut said = headers(&[("traceparent", bad), ("tracestate", "a=1")]);
            let context = Context::of(id, &said);
            assert_eq!(hex::encode(context.trace), id.to_string().replace('-', ""), "{bad}");
            assert!(context.parent.is_none() && context.is_sampled(), "{bad}");
            context.pass_on(&mut said);
            assert_eq!(said.len(), 1, "{said:?}");
        }
        let twice = headers(&[("traceparent", GIVEN), ("traceparent", GIVEN)]);
        assert!(Context::of(id, &twice).parent.is_none());
    }

    #[test]
    fn who_began_the_trace_says_whether_it_is_told() {
        let id = ExecutionId::generate();
        let of = |value: &str| Context::of(id, &headers(&[("traceparent", value)]));
        assert!(of(GIVEN).is_sampled());
        assert!(!of(&GIVEN.replace("-01", "-00")).is_sampled());
        assert!(!of(&GIVEN.replace("-01", "-02")).is_sampled());
        assert!(of("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").is_sampled());
    }

    #[test]
    fn parts_of_calls_are_named_apart_from_each_other_and_from_calls() {
        let context = Context::of(ExecutionId::generate(), &[]);
        let mut all: Vec<_> = (0..5).map(|n| context.part(n)).collect();
        all.push(context.span);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 6);
    }
}
