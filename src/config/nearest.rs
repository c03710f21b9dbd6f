//! Finds the known name that a misspelt one was probably meant to be.

/// The most similar of `known`, or none when nothing is similar enough to be worth saying.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const SIMILAR: f64 = 0.6;
    let scored = known
        .into_iter()
        .map(|other| (strsim::normalized_damerau_levenshtein(name, other), other));
    let best = scored.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 >= SIMILAR).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_recognised_and_nonsense_is_not() {
        let known = ["pool.idle_seconds", "pool.queue_bound", "log.level"];
        assert_eq!(nearest("pool.idle_secs", known), Some("pool.idle_seconds"));
        assert_eq!(nearest("log.levle", known), Some("log.level"));
        assert_eq!(nearest("weather", known), None);
    }
}
