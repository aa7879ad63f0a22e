//! Signs a request offline and prints every stage, to debug signatures that do not match.
//!
//! Reads a JSON object from standard input: the `input` of a case in `tests/vectors/oss-signing.json`,
//! and the `version` (`v1` or `v4`). Optional fields can be omitted.
//!
//! ```text
//! cargo run --example sign_request <<END
//! { "version": "v4", "access_key_id": "LTAI5tFAKE", "access_key_secret": "FakeSecret",
//!   "region": "cn-hangzhou", "unix_time": 1672223261, "method": "GET", "bucket": "examplebucket",
//!   "query": [["encryption", ""]] }
//! END
//! ```
//!
//! Prints a JSON object with `canonical_request` (null for V1), `string_to_sign`, `signature` and
//! `authorization`. With temporary credentials the stages contain the security token.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use serde::Deserialize;
use terraform_provider_oss::oss::Credentials;
use terraform_provider_oss::oss::sign::{SignableRequest, SignatureVersion, SigningContext, sign};
use time::OffsetDateTime;

/// The request, as in the test vectors. Unknown fields are ignored.
#[derive(Deserialize)]
struct Input {
    version: Version,
    access_key_id: String,
    access_key_secret: String,
    #[serde(default)]
    security_token: Option<String>,
    /// Not used by V1.
    #[serde(default)]
    region: String,
    #[serde(default = "oss")]
    product: String,
    /// The time of signing, as a Unix timestamp.
    unix_time: i64,
    method: String,
    #[serde(default)]
    bucket: Option<String>,
    #[serde(default)]
    object_key: Option<String>,
    /// Decoded names and values.
    #[serde(default)]
    query: Vec<(String, String)>,
    /// The headers before signing.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    v1_sub_resources_from_operation: Vec<String>,
    #[serde(default)]
    v4_additional_headers: Vec<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Version {
    V1,
    V4,
}

fn oss() -> String {
    "oss".to_owned()
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "sign_request: {error}");
            ExitCode::FAILURE
        }
    }
}

fn borrow(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

fn run() -> Result<(), Box<dyn Error>> {
    let input: Input = serde_json::from_reader(io::stdin().lock()).map_err(|error| {
        format!("standard input is not a valid request (see the example in examples/sign_request.rs): {error}")
    })?;
    let mut credentials = Credentials::new(&input.access_key_id, &input.access_key_secret);
    if let Some(token) = &input.security_token {
        credentials = credentials.with_security_token(token);
    }
    let version = match input.version {
        Version::V1 => SignatureVersion::V1,
        Version::V4 => SignatureVersion::V4,
    };
    let headers: Vec<(String, String)> = input.headers.into_iter().collect();
    let sub_resources = borrow(&input.v1_sub_resources_from_operation);
    let additional_headers = borrow(&input.v4_additional_headers);
    let signed = sign(
        version,
        &SignableRequest {
            method: &input.method,
            bucket: input.bucket.as_deref(),
            object_key: input.object_key.as_deref(),
            query: &input.query,
            headers: &headers,
            sub_resources: &sub_resources,
            additional_headers: &additional_headers,
        },
        &SigningContext {
            credentials: &credentials,
            time: OffsetDateTime::from_unix_timestamp(input.unix_time)?,
            region: &input.region,
            product: &input.product,
        },
    );
    let stages = serde_json::json!({
        "canonical_request": signed.canonical_request,
        "string_to_sign": signed.string_to_sign,
        "signature": signed.signature,
        "authorization": signed.authorization,
    });
    writeln!(io::stdout(), "{stages:#}")?;
    Ok(())
}
