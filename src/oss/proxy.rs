//! Which proxy variables are in force, and whether they can be used. Pure.
//!
//! The HTTP library reads the same variables and takes no proxy for a value that it does not understand, so that
//! requests would silently bypass the proxy.

use std::ffi::OsString;

use hyper::Uri;
use hyper::http::uri::Authority;

/// The variables for requests with TLS: the first one that is set is in force.
const HTTPS: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
/// The same for requests without TLS.
const HTTP: [&str; 2] = ["HTTP_PROXY", "http_proxy"];
/// The variables for all requests, where none of the others names a proxy.
const ALL: [&str; 2] = ["ALL_PROXY", "all_proxy"];
/// Hosts that are reached without a proxy.
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// A variable that names no proxy that can be used. Its value may contain a password and is not shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {variable} {reason}")]
pub(super) struct InvalidProxy {
    variable: &'static str,
    reason: &'static str,
}

/// Checks the variables for requests with or without TLS. Returns the user name and password of the proxy, if the
/// variable contains them.
pub(super) fn check(
    is_plaintext: bool,
    lookup: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<String>, InvalidProxy> {
    let first_set = |names: [&'static str; 2]| -> Result<(&'static str, String), InvalidProxy> {
        for variable in names {
            if let Some(value) = lookup(variable) {
                let reason = "is not valid UTF-8";
                let value = value.into_string();
                return value
                    .map(|value| (variable, value))
                    .map_err(|_| InvalidProxy { variable, reason });
            }
        }
        Ok(("", String::new()))
    };
    first_set(EXCEPTIONS)?;
    let (mut variable, mut value) = first_set(if is_plaintext { HTTP } else { HTTPS })?;
    if value.is_empty() {
        (variable, value) = first_set(ALL)?;
    }
    if value.is_empty() {
        return Ok(None);
    }
    let user = parse(&value).map_err(|reason| InvalidProxy { variable, reason })?;
    Ok(user.map(str::to_owned))
}

/// Parses the URL of a proxy. Returns its user name and password.
fn parse(value: &str) -> Result<Option<&str>, &'static str> {
    const EXPECTED: &str = "is not the URL of a proxy, such as http://proxy.example.com:3128";
    let uri: Uri = value.parse().map_err(|_| EXPECTED)?;
    match uri.scheme_str() {
        None | Some("http" | "https") => {}
        Some("socks4" | "socks4a" | "socks5" | "socks5h") => {
            return Err("names a SOCKS proxy; only HTTP proxies are supported");
        }
        Some(_) => return Err(EXPECTED),
    }
    let authority = uri.authority().map(Authority::as_str).ok_or(EXPECTED)?;
    let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
    let address: Authority = address.parse().map_err(|_| EXPECTED)?;
    let is_port = |port: &str| port.is_empty() || address.port_u16().is_some();
    if address.host().is_empty() || !is_port(address.as_str().trim_start_matches(address.host())) {
        return Err(EXPECTED);
    }
    // The same text, as long as the value lives.
    let user = authority.rsplit_once('@').map(|(user, _)| user.len());
    let start = value.len() - value.rsplit("://").next().unwrap_or_default().len();
    Ok(user.and_then(|length| value.get(start..start + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_with(
        is_plaintext: bool,
        variables: &[(&str, &str)],
    ) -> Result<Option<String>, InvalidProxy> {
        check(is_plaintext, |name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn proxies_are_urls_or_hosts() {
        for value in [
            "http://proxy.example.com:3128",
            "http://proxy.example.com",
            "http://proxy.example.com:3128/",
            "https://proxy.example.com",
            "proxy.example.com:3128",
            "proxy",
            "http://[::1]:3128",
            "http://10.0.0.1:3128/ignored",
        ] {
            assert_eq!(check_with(false, &[("HTTPS_PROXY", value)]), Ok(None), "{value}");
        }
        for value in ["http://user:p%40ss@proxy:3128", "user:p%40ss@proxy:3128"] {
            let user = Some("user:p%40ss".to_owned());
            assert_eq!(check_with(false, &[("HTTPS_PROXY", value)]), Ok(user), "{value}");
        }
        for value in [
            "http://proxy:port",
            "http://proxy:99999",
            "http:/proxy:3128",
            "http//proxy:3128",
            "http://",
            " http://proxy:3128",
            "proxy:3128/",
            "ftp://proxy:3128",
            "htp://user:password@proxy:3128",
            "http://user@:3128",
        ] {
            let error = check_with(false, &[("https_proxy", value)]).unwrap_err();
            assert_eq!(
                error.to_string(),
                "the environment variable https_proxy is not the URL of a proxy, such as \
                 http://proxy.example.com:3128",
                "{value}"
            );
        }
        let error = check_with(true, &[("HTTP_PROXY", "socks5h://proxy:1080")]).unwrap_err();
        assert!(error.to_string().contains("SOCKS"), "{error}");
    }

    #[test]
    fn only_the_variable_in_force_counts() {
        let (good, bad) = ("http://proxy:3128", "http://:");
        for (is_plaintext, variables, expected) in [
            (false, vec![], None),
            (false, vec![("HTTP_PROXY", bad)], None),
            (true, vec![("HTTP_PROXY", bad)], Some("HTTP_PROXY")),
            (true, vec![("HTTPS_PROXY", bad)], None),
            (false, vec![("HTTPS_PROXY", good), ("https_proxy", bad), ("ALL_PROXY", bad)], None),
            (false, vec![("HTTPS_PROXY", bad), ("https_proxy", good)], Some("HTTPS_PROXY")),
            (false, vec![("HTTPS_PROXY", ""), ("https_proxy", bad)], None),
            (false, vec![("HTTPS_PROXY", ""), ("all_proxy", bad)], Some("all_proxy")),
            (true, vec![("ALL_PROXY", bad)], Some("ALL_PROXY")),
        ] {
            let variable = check_with(is_plaintext, &variables).err().map(|error| error.variable);
            assert_eq!(variable, expected, "{variables:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_utf8_is_an_error() {
        use std::os::unix::ffi::OsStringExt as _;
        for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "NO_PROXY", "no_proxy"] {
            let lookup = |name: &str| (name == variable).then(|| OsString::from_vec(vec![0xff]));
            let error = check(false, lookup).unwrap_err();
            assert_eq!(error, InvalidProxy { variable, reason: "is not valid UTF-8" });
        }
    }
}
