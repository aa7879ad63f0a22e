//! Percent-encoding as signatures need it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// The characters to encode: all except the unreserved ones of RFC 3986.
pub(crate) const RESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
