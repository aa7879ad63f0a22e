//! Parsing and formatting of timestamps.
//!
//! The formatters are written out: those of the `time` crate can fail, which a signature must not, and its RFC
//! 2822 format ends with `+0000`, while HTTP requires `GMT`.

use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

/// Formats a time for the `Date` header, e.g. `Wed, 28 Dec 2022 10:27:41 GMT` (RFC 9110).
pub(super) fn format_http_date(time: OffsetDateTime) -> String {
    let weekday = &time.weekday().to_string()[..3];
    let month = &time.month().to_string()[..3];
    let (day, year) = (time.day(), time.year());
    let (hour, minute, second) = time.to_hms();
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Formats a time for requests to STS, e.g. `2026-11-23T08:00:00Z`.
pub(super) fn format_iso8601(time: OffsetDateTime) -> String {
    let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
    let (hour, minute, second) = time.to_hms();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Formats a date and a time for signatures V4, e.g. `20261123` and `080000`.
pub(super) fn format_compact(time: OffsetDateTime) -> (String, String) {
    let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
    let (hour, minute, second) = time.to_hms();
    (format!("{year:04}{month:02}{day:02}"), format!("{hour:02}{minute:02}{second:02}"))
}

/// Parses the format of [`format_http_date`].
pub(super) fn parse_http_date(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text.trim(), &Rfc2822).ok()
}

/// Parses an ISO 8601 timestamp with a time zone, with or without fractions of seconds.
pub(super) fn parse_iso8601(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text.trim(), &Rfc3339).ok()
}

/// Parses a timestamp in the formats of custom programs and services: ISO 8601 with a space instead of the `T`,
/// with an offset such as `+0800`, or without a time zone, which means UTC.
pub(super) fn parse_lenient(text: &str) -> Option<OffsetDateTime> {
    let text = text.trim();
    let (date, clock) = (text.get(..10)?, text.get(11..)?);
    if !matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let end = clock.find(|c: char| !matches!(c, '0'..='9' | ':' | '.')).unwrap_or(clock.len());
    let (clock, zone) = (clock.get(..end)?, clock.get(end..)?.trim());
    let zone = match zone {
        "" | "UTC" | "GMT" | "z" => "Z".to_owned(),
        // +0800
        zone if zone.len() == 5 && zone.is_ascii() => format!("{}:{}", &zone[..3], &zone[3..]),
        zone => zone.to_owned(),
    };
    parse_iso8601(&format!("{date}T{clock}{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_and_parses_the_same_time() {
        let time = OffsetDateTime::from_unix_timestamp(1_672_223_261).unwrap();
        assert_eq!(format_http_date(time), "Wed, 28 Dec 2022 10:27:41 GMT");
        assert_eq!(parse_http_date("Wed, 28 Dec 2022 10:27:41 GMT"), Some(time));
        assert_eq!(format_iso8601(time), "2022-12-28T10:27:41Z");
        assert_eq!(format_compact(time), ("20221228".to_owned(), "102741".to_owned()));
        assert_eq!(parse_iso8601("2022-12-28T10:27:41Z"), Some(time));
        assert_eq!(parse_iso8601("2022-12-28T10:27:41.000Z"), Some(time));
    }

    #[test]
    fn parses_the_formats_of_custom_programs() {
        let time = parse_iso8601("2022-12-28T10:27:41Z");
        for text in [
            "2022-12-28T10:27:41Z",
            "2022-12-28 10:27:41",
            "2022-12-28T10:27:41",
            " 2022-12-28 10:27:41 UTC ",
            "2022-12-28 18:27:41 +0800",
            "2022-12-28T18:27:41+08:00",
            "2022-12-28t02:27:41-0800",
        ] {
            assert_eq!(parse_lenient(text), time, "{text}");
        }
        for text in
            ["", "2022-12-28", "2022-12-28x10:27:41", "2022-12-28 10:27:41 CST", "ä-ä-ä-ä-ä-ä"]
        {
            assert_eq!(parse_lenient(text), None, "{text}");
        }
    }

    #[test]
    fn rejects_other_texts() {
        for text in ["", "soon", "2022-12-28", "2022-12-28T10:27:41", "28 Dec 2022"] {
            assert_eq!((parse_http_date(text), parse_iso8601(text)), (None, None), "{text}");
        }
    }
}
