//! The timestamp formats of OSS and STS, all in UTC.

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// `Wed, 28 Dec 2022 10:27:41 GMT`: the `Date` header and signature V1 (RFC 1123, two-digit day).
const HTTP_DATE: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);

/// `20221228T102741Z`: `x-oss-date` and signature V4.
const BASIC: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");

/// `2022-12-28T10:27:41.000Z`: XML bodies of OSS.
const EXTENDED: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// `2022-12-28T10:27:41Z`: STS and the other services that issue credentials.
const SECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

pub(super) fn http_date(timestamp: OffsetDateTime) -> String {
    format(timestamp, HTTP_DATE)
}

pub(super) fn basic(timestamp: OffsetDateTime) -> String {
    format(timestamp, BASIC)
}

pub(super) fn extended(timestamp: OffsetDateTime) -> String {
    format(timestamp, EXTENDED)
}

pub(super) fn seconds(timestamp: OffsetDateTime) -> String {
    format(timestamp, SECONDS)
}

/// Parses a timestamp of STS.
pub(super) fn parse_seconds(text: &str) -> Option<OffsetDateTime> {
    PrimitiveDateTime::parse(text, SECONDS).ok().map(PrimitiveDateTime::assume_utc)
}

/// Parses either format of requests to OSS.
pub(super) fn parse(text: &str) -> Option<OffsetDateTime> {
    let parse = |description| PrimitiveDateTime::parse(text, description).ok();
    parse(BASIC).or_else(|| parse(HTTP_DATE)).map(PrimitiveDateTime::assume_utc)
}

fn format(timestamp: OffsetDateTime, description: &[BorrowedFormatItem<'_>]) -> String {
    // Only fails for a format with components that a timestamp does not have.
    timestamp.to_offset(time::UtcOffset::UTC).format(description).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_and_parses_the_timestamps_of_the_vectors() {
        let timestamp = OffsetDateTime::from_unix_timestamp(1_672_223_261).unwrap();
        assert_eq!(http_date(timestamp), "Wed, 28 Dec 2022 10:27:41 GMT");
        assert_eq!(basic(timestamp), "20221228T102741Z");
        assert_eq!(extended(timestamp), "2022-12-28T10:27:41.000Z");
        assert_eq!(parse("Wed, 28 Dec 2022 10:27:41 GMT"), Some(timestamp));
        assert_eq!(parse("20221228T102741Z"), Some(timestamp));
        assert_eq!(parse("2022-12-28"), None);
        assert_eq!(seconds(timestamp), "2022-12-28T10:27:41Z");
        assert_eq!(parse_seconds("2022-12-28T10:27:41Z"), Some(timestamp));
        assert_eq!(parse_seconds("2022-12-28T10:27:41.000Z"), None);
        assert_eq!(parse("2022-12-28T10:27:41Z"), None);
        assert_eq!(http_date(OffsetDateTime::UNIX_EPOCH), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
