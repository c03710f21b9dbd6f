//! Schedules as cron libraries of Go write them: a time zone in front, intervals among the patterns. Pure.

/// What a schedule says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rhythm {
    /// An interval, as a length of time is written.
    Every(String),
    /// A pattern.
    Cron {
        /// What matches.
        pattern: String,
        /// The time zone that it names.
        zone: Option<String>,
    },
}

/// Reads `30 9 * * *`, `TZ=Area/City 30 9 * * *`, `CRON_TZ=…` and `@every 1m30s`.
#[must_use]
pub fn rhythm(text: &str) -> Rhythm {
    let (zone, pattern) = zone_and_pattern(text.trim());
    match pattern.strip_prefix("@every ") {
        Some(interval) => Rhythm::Every(interval.trim().to_owned()),
        None => Rhythm::Cron {
            pattern: seconds_at_zero(pattern),
            zone: zone.map(str::to_owned),
        },
    }
}

fn zone_and_pattern(text: &str) -> (Option<&str>, &str) {
    let named = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ="));
    match named.and_then(|rest| rest.split_once(' ')) {
        Some((zone, pattern)) => (Some(zone), pattern.trim()),
        None => (None, text),
    }
}

/// Of six fields the first are the seconds; any second means the first.
fn seconds_at_zero(pattern: &str) -> String {
    let fields: Vec<_> = pattern.split_whitespace().collect();
    match fields.split_first() {
        Some((&"*", rest)) if rest.len() == 5 => format!("0 {}", rest.join(" ")),
        _ => pattern.replace('?', "*"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_stand_in_front_and_intervals_among_the_patterns() {
        for (text, zone, pattern) in [
            ("*/5 * * * *", None, "*/5 * * * *"),
            ("* */5 * * * *", None, "0 */5 * * * *"),
            ("15 * * * * *", None, "15 * * * * *"),
            ("0 12 ? * *", None, "0 12 * * *"),
            (" @hourly ", None, "@hourly"),
            ("TZ=Asia/Tokyo 30 9 * * *", Some("Asia/Tokyo"), "30 9 * * *"),
            ("CRON_TZ=Europe/Paris  @daily", Some("Europe/Paris"), "@daily"),
        ] {
            let (pattern, zone) = (pattern.to_owned(), zone.map(str::to_owned));
            assert_eq!(rhythm(text), Rhythm::Cron { pattern, zone }, "{text}");
        }
        for text in ["@every 1m30s", "TZ=UTC @every  1m30s "] {
            assert_eq!(rhythm(text), Rhythm::Every("1m30s".to_owned()), "{text}");
        }
    }
}
