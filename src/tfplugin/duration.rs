//! Durations in the syntax of Go, which Terraform uses: for example `30s`, `5m`, `1h30m` or `1.5h`.
//!
//! Rule: Go standard library, `time.ParseDuration`, without negative values. No maintained crate was found that
//! parses exactly this syntax.

use std::time::Duration;

/// Longer durations are rejected as typing errors.
const MAX: Duration = Duration::from_hours(365 * 24);

/// Parses a duration, with an optional plus sign as in Go. `None` if it is invalid, not positive, or longer than
/// a year.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let unit_seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * unit_seconds;
        rest = tail;
    }
    let duration = Duration::try_from_secs_f64(seconds).ok()?;
    (duration > Duration::ZERO && duration <= MAX).then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_the_syntax_of_go() {
        for (text, milliseconds) in [
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("250ms", 250),
            ("1h0m0.5s", 3_600_500),
            (".5s", 500),
            ("+5m", 300_000),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn rejects_invalid_durations() {
        for text in [
            "",
            "+",
            "++5m",
            "0s",
            "5",
            "m",
            "-5m",
            "5 m",
            "5min",
            "1d",
            "5m!",
            "1.2.3s",
            "99999999h",
            "١s",
        ] {
            assert_eq!(parse_duration(text), None, "{text:?}");
        }
    }
}
