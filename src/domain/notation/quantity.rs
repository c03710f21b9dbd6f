//! Amounts as Kubernetes writes them: `500m`, `1.5`, `128Mi`, `1e3`. Pure.

/// Suffixes and what they stand for; longer ones before those they begin with.
const SUFFIXES: [(&str, f64); 14] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("", 1.0),
];

/// An amount, rounded up to a whole number; `None` for what is none.
#[must_use]
pub fn whole(amount: &str) -> Option<u64> {
    rounded_up(read(amount.trim())?)
}

/// An amount in thousandths, rounded up; `None` for what is none.
#[must_use]
pub fn thousandths(amount: &str) -> Option<u64> {
    rounded_up(read(amount.trim())? * 1000.0)
}

fn read(text: &str) -> Option<f64> {
    let (suffix, factor) = SUFFIXES.iter().find(|(suffix, _)| text.ends_with(suffix))?;
    let digits = text.strip_suffix(suffix)?;
    let plain = digits
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'+' | b'-' | b'e' | b'E'));
    plain.then(|| digits.parse::<f64>().ok())?.map(|n| n * factor)
}

/// Amounts this large are exact enough in floating point; what a sum of thousandths adds is not an amount.
fn rounded_up(number: f64) -> Option<u64> {
    let up = (number - 1e-6).ceil();
    (0.0..=1e18).contains(&up).then_some(up as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_kubernetes_reads_them() {
        for (amount, bytes) in [
            ("128Mi", Some(134_217_728)),
            ("1.5Gi", Some(1_610_612_736)),
            ("1M", Some(1_000_000)),
            ("1e3", Some(1000)),
            ("64", Some(64)),
            ("much", None),
            ("-1", None),
            ("", None),
            ("infM", None),
        ] {
            assert_eq!(whole(amount), bytes, "{amount}");
        }
        assert_eq!(thousandths("500m"), Some(500));
        assert_eq!(thousandths("0.25"), Some(250));
        assert_eq!(thousandths("2"), Some(2000));
    }
}
