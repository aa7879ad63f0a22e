//! Requests signed by the official SDKs (`tests/vectors/`): each is accepted unchanged, and rejected
//! if anything that is signed changes.

use serde_json::Value;

use super::*;
use crate::address::{Address, Endpoint};
use crate::request::parse_query;

const VECTORS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/oss-signing.json"));

/// A signed request, as the emulator receives it.
#[derive(Clone)]
pub(crate) struct Case {
    id: String,
    pub(crate) request: Request,
    resource: String,
    pub(crate) credentials: Credentials,
    scope: Scope,
    pub(crate) now: OffsetDateTime,
    expected: Value,
}

impl Case {
    fn new(case: &Value) -> Self {
        let input = &case["input"];
        let text = |name: &str| input[name].as_str().unwrap_or_default();
        let (_, rest) = text("url").split_once("://").unwrap();
        let (host, path_and_query) = rest.split_once('/').unwrap();
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let path = format!("/{path}");
        let headers = case["expected"]["headers_after_signing"].as_object().unwrap();
        let request = Request {
            method: text("method").to_owned(),
            host: host.to_owned(),
            path: path.clone(),
            query: parse_query(query),
            headers: headers
                .iter()
                .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                .collect(),
            body: text("body").into(),
        };
        let domains =
            BTreeMap::from([("assets.example.com".to_owned(), "examplebucket".to_owned())]);
        let address = Address::resolve(host, &path, &domains).unwrap();
        let product = match address.endpoint {
            Endpoint::CloudBox { .. } => "oss-cloudbox",
            _ => "oss",
        };
        assert_eq!(address.bucket.as_deref(), input["bucket"].as_str());
        let credentials = Credentials::new(text("access_key_id"), text("access_key_secret"));
        let credentials = match input["security_token"].as_str() {
            Some(token) => credentials.with_token(token, None),
            None => credentials,
        };
        Self {
            id: case["id"].as_str().unwrap().to_owned(),
            request,
            resource: address.resource,
            credentials,
            scope: Scope { region: text("region").to_owned(), product },
            now: OffsetDateTime::from_unix_timestamp(input["unix_time"].as_i64().unwrap()).unwrap(),
            expected: case["expected"].clone(),
        }
    }

    fn all() -> Vec<Self> {
        let vectors: Value = serde_json::from_str(VECTORS).unwrap();
        let cases: Vec<Self> = vectors["cases"].as_array().unwrap().iter().map(Self::new).collect();
        assert!(cases.len() >= 62, "all cases are there");
        cases
    }

    /// The case with this ID.
    pub(crate) fn named(id: &str) -> Self {
        Self::all().into_iter().find(|case| case.id == id).unwrap()
    }

    fn is_v4(&self) -> bool {
        self.id.starts_with("v4")
    }

    fn verify(&self) -> Result<(), ServiceError> {
        let known =
            BTreeMap::from([(self.credentials.access_key_id.clone(), self.credentials.clone())]);
        let authorization = Authorization::of(&self.request)?;
        let Self { request, resource, scope, now, .. } = self;
        verify(request, resource, &authorization, &known, scope, *now)?;
        check_digest(request)
    }

    /// A changed copy of the case.
    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }

    fn with_header(&self, name: &str, change: impl FnOnce(&str) -> String) -> Self {
        self.with(|case| {
            let header = case.request.headers.iter_mut().find(|(found, _)| found == name);
            let (_, value) = header.unwrap();
            *value = change(value);
        })
    }

    #[track_caller]
    fn is_rejected(&self, code: &str) {
        let result = self.verify().map_err(|error| error.code);
        assert_eq!(result, Err(code.into()), "{}", self.id);
    }
}

#[test]
fn every_case_is_accepted() {
    for case in Case::all() {
        assert_eq!(case.verify(), Ok(()), "{}", case.id);
        if let Some(authorization) = case.expected["authorization_as_oss2_writes_it"].as_str() {
            let case = case.with_header("authorization", |_| authorization.to_owned());
            assert_eq!(case.verify(), Ok(()), "{} as oss2 writes it", case.id);
        }
    }
}

#[test]
fn every_stage_matches_the_sdks_byte_for_byte() {
    for case in Case::all() {
        let Case { request, resource, now, .. } = &case;
        let computed = match Authorization::of(request).unwrap() {
            Authorization::V1(_) => {
                let date = request.header("x-oss-date").or_else(|| request.header("date"));
                v1::string_to_sign(request, resource, &date.unwrap())
            }
            Authorization::V4(authorization) => {
                let canonical_request =
                    v4::canonical_request(request, resource, &authorization.additional_headers);
                assert_eq!(
                    Some(&*canonical_request),
                    case.expected["canonical_request"].as_str(),
                    "{}",
                    case.id
                );
                v4::string_to_sign(
                    &timestamp::basic(*now),
                    &authorization.scope(),
                    &canonical_request,
                )
            }
        };
        assert_eq!(Some(&*computed), case.expected["string_to_sign"].as_str(), "{}", case.id);
    }
}

#[test]
fn a_changed_signature_or_secret_is_rejected() {
    for case in Case::all() {
        let signature = case.expected["signature"].as_str().unwrap();
        // Not the last character: in base64 it contains unused bits.
        let first = if signature.starts_with('0') { "1" } else { "0" };
        let other = format!("{first}{}", &signature[1..]);
        for other in [other.as_str(), &signature[..8], "x", "zz"] {
            case.with_header("authorization", |header| header.replace(signature, other))
                .is_rejected("SignatureDoesNotMatch");
        }
        let id = case.credentials.access_key_id.clone();
        let token = case.request.header("x-oss-security-token");
        case.with(|case| {
            case.credentials = Credentials::new(&id, "another secret");
            if let Some(token) = &token {
                case.credentials = case.credentials.clone().with_token(token, None);
            }
        })
        .is_rejected("SignatureDoesNotMatch");
        case.with(|case| case.credentials = Credentials::new("LTAI5tOTHER", "secret"))
            .is_rejected("InvalidAccessKeyId");
    }
}

#[test]
fn a_changed_method_bucket_or_signed_query_is_rejected() {
    for case in Case::all() {
        case.with(|case| case.request.method = "POST".to_owned())
            .is_rejected("SignatureDoesNotMatch");
        case.with(|case| case.resource = "/another-bucket/".to_owned())
            .is_rejected("SignatureDoesNotMatch");
        let more = |name: &str| {
            case.with(|case| case.request.query.push((name.to_owned(), "1".to_owned())))
        };
        more("acl").is_rejected("SignatureDoesNotMatch");
        if case.is_v4() {
            more("any").is_rejected("SignatureDoesNotMatch");
        } else {
            assert_eq!(more("any").verify(), Ok(()), "V1 signs only sub-resources");
        }
        if !case.request.query.is_empty() && case.is_v4() {
            case.with(|case| case.request.query.clear()).is_rejected("SignatureDoesNotMatch");
        }
    }
}

#[test]
fn changed_headers_are_rejected() {
    for case in Case::all() {
        let add = |name: &str| {
            case.with(|case| case.request.headers.push((name.to_owned(), "x".to_owned())))
        };
        add("x-oss-added").is_rejected("SignatureDoesNotMatch");
        assert_eq!(add("x-unsigned").verify(), Ok(()), "{}", case.id);
        for (name, _) in &case.request.headers {
            let changed = case.with_header(name, |value| format!("{value}x"));
            match (name.as_str(), case.is_v4()) {
                ("x-oss-content-sha256", _) => changed.is_rejected("InvalidArgument"),
                ("x-oss-security-token", _) => changed.is_rejected("InvalidSecurityToken"),
                ("x-oss-date", _) => changed.is_rejected("AccessDenied"),
                ("date", false) if case.request.header("x-oss-date").is_none() => {
                    changed.is_rejected("AccessDenied");
                }
                ("authorization" | "accept" | "date", _) => {}
                ("content-length" | "host", _)
                    if !case.expected["authorization"]
                        .as_str()
                        .unwrap()
                        .contains(name.as_str()) => {}
                _ => changed.is_rejected("SignatureDoesNotMatch"),
            }
        }
    }
}

#[test]
fn another_time_scope_or_token_is_rejected() {
    for case in Case::all() {
        for minutes in [-16, 16] {
            case.with(|case| case.now += Duration::minutes(minutes))
                .is_rejected("RequestTimeTooSkewed");
        }
        // Another time within the allowed skew changes the string to sign.
        let date = if case.request.header("x-oss-date").is_some() { "x-oss-date" } else { "date" };
        let later = case.now + Duration::seconds(1);
        let later =
            if case.is_v4() { timestamp::basic(later) } else { timestamp::http_date(later) };
        case.with_header(date, |_| later).is_rejected("SignatureDoesNotMatch");
        case.with(|case| case.request.headers.retain(|(name, _)| !name.ends_with("date")))
            .is_rejected("AccessDenied");
        if case.request.header("x-oss-security-token").is_some() {
            case.with(|case| {
                case.request.headers.retain(|(name, _)| name != "x-oss-security-token");
            })
            .is_rejected("InvalidAccessKeyId");
        }
        if !case.is_v4() {
            continue;
        }
        case.with(|case| case.scope.region = "cn-elsewhere".to_owned())
            .is_rejected("InvalidArgument");
        case.with(|case| case.scope.product = "another").is_rejected("InvalidArgument");
        let day = timestamp::basic(case.now)[..8].to_owned();
        case.with_header("authorization", |header| header.replace(&day, "20200101"))
            .is_rejected("InvalidArgument");
        // Signed for one region, then sent to another with a rewritten scope.
        let region = case.scope.region.clone();
        case.with(|case| case.scope.region = "cn-elsewhere".to_owned())
            .with_header("authorization", |header| header.replace(&region, "cn-elsewhere"))
            .is_rejected("SignatureDoesNotMatch");
    }
}

#[test]
fn the_error_contains_the_computed_stages() {
    let case = Case::named("v4-put-encryption-aes256");
    let case =
        case.with_header("authorization", |header| header.replace("Signature=a", "Signature=b"));
    let error = case.verify().unwrap_err();
    assert_eq!(error.status, 403);
    let body = String::from_utf8(error.to_response("", "").body).unwrap();
    let string_to_sign = case.expected["string_to_sign"].as_str().unwrap();
    let canonical_request = case.expected["canonical_request"].as_str().unwrap();
    for element in [
        "<OSSAccessKeyId>LTAI5tFAKEFAKEFAKEFAKE01</OSSAccessKeyId>",
        "<SignatureProvided>bf9f5e70",
        &format!("<StringToSign>{string_to_sign}</StringToSign>"),
        "<StringToSignBytes>4F 53 53 34 2D",
        &format!("<CanonicalRequest>{canonical_request}</CanonicalRequest>"),
    ] {
        assert!(body.contains(element), "{element} is missing in {body}");
    }
}
