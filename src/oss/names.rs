//! Names that become part of a host or of a signature: buckets and regions.
//!
//! Parsing is the only way to make one, so nothing that could change the contacted host (a dot, a
//! slash, an at sign) ever reaches address building.

use std::fmt;

use thiserror::Error;

/// Why a string is not a bucket or region name. The text completes the sentence "… must".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    /// Fewer than 3 or more than 63 characters.
    #[error("must have 3 to 63 characters")]
    BucketLength,
    /// A character outside `a-z`, `0-9`, `-` and, in old names, `_`.
    #[error("must consist of lowercase letters, digits and hyphens only")]
    BucketCharacters,
    /// A hyphen at the beginning or the end.
    #[error("must begin and end with a lowercase letter or a digit")]
    BucketStartOrEnd,
    /// A region that is empty or has a character outside `a-z`, `0-9` and `-`.
    #[error("must be a region ID such as cn-hangzhou: lowercase letters, digits and hyphens only")]
    Region,
    /// A region as it stands in host names.
    #[error("must not start with `oss-` (use for example cn-hangzhou)")]
    RegionPrefix,
    /// The host name of a region's internal endpoint.
    #[error(
        "must not end with `-internal` (use for example cn-hangzhou); internal endpoints \
         are selected with `endpoint_type = \"internal\"` in the provider block"
    )]
    RegionSuffix,
}

/// The name of a bucket that may exist: 3 to 63 characters of `a-z`, `0-9` and `-`, beginning and ending with
/// a letter or digit (OSS documentation, "Bucket naming conventions"), and also `_`, which only new buckets
/// must not have (SDK for Node.js, `checkBucketName`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BucketName(String);

impl BucketName {
    /// Checks `name` against the naming rules.
    ///
    /// # Errors
    ///
    /// The rule that `name` breaks.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.chars().all(|c| is_letter(c) || c == '-') {
            return Err(NameError::BucketCharacters);
        }
        if !(3..=63).contains(&name.len()) {
            return Err(NameError::BucketLength);
        }
        if !name.starts_with(is_letter) || !name.ends_with(is_letter) {
            return Err(NameError::BucketStartOrEnd);
        }
        Ok(Self(name.to_owned()))
    }

    /// Checks whether the name of a bucket can begin with `prefix`.
    ///
    /// # Errors
    ///
    /// The rule that every name with this prefix breaks.
    pub fn check_prefix(prefix: &str) -> Result<(), NameError> {
        // The shortest longer name shows whether anything but the length and the end is wrong.
        let missing = 3_usize.saturating_sub(prefix.len()).max(1);
        let longer = format!("{prefix}{}", "a".repeat(missing));
        match Self::parse(&longer) {
            Err(NameError::BucketLength) => Self::parse(prefix).map(drop),
            result => result.map(drop),
        }
    }

    /// Whether no new bucket can have this name, only one from before the current naming conventions.
    #[must_use]
    pub fn is_old(&self) -> bool {
        self.0.contains('_')
    }

    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A region ID as it is signed, for example `cn-hangzhou` (without the `oss-` of host names).
///
/// No list of regions is compiled in: new ones work on the day they open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(String);

impl Region {
    /// Checks that `region` can be part of a host name.
    ///
    /// # Errors
    ///
    /// It cannot, or it is a part of a host name instead of a region ID, such as `oss-cn-hangzhou`.
    pub fn parse(region: &str) -> Result<Self, NameError> {
        let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let valid = region.len() <= 63
            && region.starts_with(is_alphanumeric)
            && region.ends_with(is_alphanumeric)
            && region.chars().all(|c| is_alphanumeric(c) || c == '-');
        if !valid {
            return Err(NameError::Region);
        }
        if region.starts_with("oss-") {
            return Err(NameError::RegionPrefix);
        }
        if region.ends_with("-internal") {
            return Err(NameError::RegionSuffix);
        }
        Ok(Self(region.to_owned()))
    }

    /// Whether it begins like the IDs of all regions so far: with an abbreviation of where it is.
    pub(super) fn has_geography(&self) -> bool {
        const GEOGRAPHIES: [&str; 7] = ["ap", "cn", "eu", "me", "na", "rg", "us"];
        self.0.split_once('-').is_some_and(|(geography, _)| GEOGRAPHIES.contains(&geography))
    }

    /// The ID as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Result<(), NameError>) {
        assert_eq!(BucketName::parse(name).map(|_| ()), expected, "{name:?}");
    }

    #[test]
    fn accepts_every_legal_bucket_name() {
        check("abc", Ok(()));
        check("a-1", Ok(()));
        check("0--0", Ok(()));
        check(&"a".repeat(63), Ok(()));
    }

    #[test]
    fn accepts_the_names_of_old_buckets() {
        for name in ["a_c", "_abc", "abc_", "a-_-c"] {
            check(name, Ok(()));
            assert!(BucketName::parse(name).unwrap().is_old(), "{name}");
        }
        assert!(!BucketName::parse("a-c").unwrap().is_old());
        check("-a_c", Err(NameError::BucketStartOrEnd));
        check("A_c", Err(NameError::BucketCharacters));
    }

    #[test]
    fn rejects_invalid_names() {
        check("", Err(NameError::BucketLength));
        check("ab", Err(NameError::BucketLength));
        check(&"a".repeat(64), Err(NameError::BucketLength));
        check("-ab", Err(NameError::BucketStartOrEnd));
        check("ab-", Err(NameError::BucketStartOrEnd));
        check("Abc", Err(NameError::BucketCharacters));
        check("äbc", Err(NameError::BucketCharacters));
    }

    #[test]
    fn only_the_beginning_of_a_name_is_a_prefix() {
        let long = |length: usize| "a".repeat(length);
        for prefix in ["", "a", "a-", "_", "a_", "0", &long(62), &long(63), &(long(61) + "-")] {
            assert_eq!(BucketName::check_prefix(prefix), Ok(()), "{prefix}");
        }
        for (prefix, expected) in [
            ("-".to_owned(), NameError::BucketStartOrEnd),
            ("-x".to_owned(), NameError::BucketStartOrEnd),
            ("A".to_owned(), NameError::BucketCharacters),
            ("a.".to_owned(), NameError::BucketCharacters),
            ("ä".to_owned(), NameError::BucketCharacters),
            (long(64), NameError::BucketLength),
            // Complete, and names do not end like this.
            (long(62) + "-", NameError::BucketStartOrEnd),
        ] {
            assert_eq!(BucketName::check_prefix(&prefix), Err(expected), "{prefix}");
        }
    }

    #[test]
    fn rejects_what_would_change_the_host() {
        for name in ["a.evil.example/", "abc@evil", "abc/../x", "abc#", "abc?x", "abc:80", "a\nb"] {
            check(name, Err(NameError::BucketCharacters));
        }
        for region in ["", "cn.evil", "cn/hangzhou", "CN-HANGZHOU", "cn hangzhou", "a@b"] {
            assert_eq!(Region::parse(region), Err(NameError::Region), "{region:?}");
        }
        assert!(Region::parse("cn-hangzhou").is_ok());
        for region in ["-", "-cn", "cn-"] {
            assert_eq!(Region::parse(region), Err(NameError::Region), "{region:?}");
        }
        assert_eq!(Region::parse("oss-cn-hangzhou"), Err(NameError::RegionPrefix));
        assert_eq!(Region::parse("cn-hangzhou-internal"), Err(NameError::RegionSuffix));
    }
}
