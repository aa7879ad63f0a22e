//! Every diagnostic about a failed call, as the user reads it: see `snapshots/` next to this file.

use crate::oss::credentials::{
    CredentialServiceError, CredentialsError, CredentialsErrorKind, ProfileError,
};
use crate::oss::{AddressStyle, Endpoint, ErrorCode, ServiceError};
use crate::tfplugin::Severity;

use super::*;

fn error(kind: ErrorKind) -> Error {
    Error {
        operation: Operation::PutBucketEncryption,
        bucket: BucketName::parse("my-bucket").ok(),
        attempts: 1,
        endpoint: "https://my-bucket.oss-cn-hangzhou.aliyuncs.com".to_owned(),
        address_style: AddressStyle::Virtual,
        region: "cn-hangzhou".to_owned(),
        credentials_origin: "the environment variable OSS_ACCESS_KEY_ID".to_owned(),
        clock_skew_seconds: None,
        may_have_taken_effect: false,
        needed_timeout: None,
        kind,
    }
}

fn text<T: From<&'static str>>(text: &'static str) -> T {
    text.into()
}

fn service(status: u16, code: &'static str, message: &'static str) -> ServiceError {
    ServiceError {
        status,
        code: code.into(),
        message: message.into(),
        request_id: Some("5C3D9175B6FC201293AD0001".into()),
        ec: Some("0003-00000001".into()),
        recommend_doc: None,
        endpoint: None,
        retry_after: None,
        server_time: None,
    }
}

fn returned(status: u16, code: &'static str, message: &'static str) -> Error {
    error(ErrorKind::Service(Box::new(service(status, code, message))))
}

fn transport(transport: TransportError) -> Error {
    Error { attempts: 6, ..error(ErrorKind::Transport(transport)) }
}

fn credentials(origin: &str, kind: CredentialsErrorKind) -> Error {
    let origin = origin.to_owned();
    Error {
        attempts: 0,
        ..error(ErrorKind::Credentials(Box::new(CredentialsError { origin, kind })))
    }
}

fn sts_error(status: u16, code: &'static str, message: &'static str) -> Error {
    credentials(
        "role acs:ram::1234567890123456:role/deploy, assumed with credentials from the environment variable OSS_ACCESS_KEY_ID",
        sts_response(status, code, message).into(),
    )
}

fn sts_response(status: u16, code: &'static str, message: &'static str) -> CredentialServiceError {
    CredentialServiceError {
        host: "https://sts.cn-hangzhou.aliyuncs.com".to_owned(),
        operation: "AssumeRole",
        status,
        code: code.into(),
        message: message.into(),
        request_id: Some("6894B13B-6D71-4EF5-88FA-F32781734A7F".into()),
        server_time: None,
        retry_after: None,
    }
}

/// A diagnostic as Terraform prints it, without the frame and without line breaks.
fn rendered(diagnostic: &Diagnostic) -> String {
    let severity = match diagnostic.severity {
        Severity::Error => "Error",
        Severity::Warning => "Warning",
    };
    let attribute = diagnostic.attribute.as_ref().map(|path| format!("  with {path}\n\n"));
    let attribute = attribute.unwrap_or_default();
    format!("{severity}: {}\n\n{attribute}{}\n", diagnostic.summary, diagnostic.detail)
}

fn page(diagnostics: impl IntoIterator<Item = Diagnostic>) -> String {
    let messages: Vec<String> =
        diagnostics.into_iter().map(|diagnostic| rendered(&diagnostic)).collect();
    messages.join("\n----\n\n")
}

macro_rules! check {
    ($diagnostics:expr) => {
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!(page($diagnostics));
        });
    };
}

// After the macro, which they use.
mod data_sources;
mod imports;
mod profiles;

#[test]
#[expect(clippy::too_many_lines, reason = "one line for each code")]
fn service_errors() {
    let other_region = ServiceError {
        endpoint: Some("oss-cn-shanghai.aliyuncs.com".into()),
        ..service(403, "AccessDenied", "The bucket must be addressed using the specified endpoint.")
    };
    let no_region = ServiceError {
        endpoint: Some("oss-accelerate.aliyuncs.com".into()),
        ..service(403, "AccessDenied", "The bucket must be addressed using the specified endpoint.")
    };
    let documented = ServiceError {
        recommend_doc: Some("https://api.aliyun.com/troubleshoot?q=0016-00000502".into()),
        ..service(409, "SomethingNew", "This code is not known.")
    };
    let of = |service| error(ErrorKind::Service(Box::new(service)));
    let skewed = returned(403, "RequestTimeTooSkewed", "The difference is too large.");
    let with_ec = |status, code, message, ec: &'static str| {
        of(ServiceError { ec: Some(ec.into()), ..service(status, code, message) })
    };
    let custom_domain = |error| Error {
        endpoint: "https://assets.example.com".to_owned(),
        address_style: AddressStyle::Cname,
        ..error
    };
    let list = |error| Error { operation: Operation::ListBuckets, bucket: None, ..error };
    check!(
        [
            returned(403, "AccessDenied", "You have no right to access this object."),
            list(returned(403, "AccessDenied", "You have no right to list buckets.")),
            of(other_region.clone()),
            of(ServiceError { code: ErrorCode::PermanentRedirect, ..other_region.clone() }),
            of(ServiceError { endpoint: None, ..other_region.clone() }),
            of(ServiceError { code: ErrorCode::PermanentRedirect, endpoint: None, ..other_region }),
            of(no_region),
            of(ServiceError {
                endpoint: Some("oss-cn-hangzhou-internal.aliyuncs.com".into()),
                ..service(403, "AccessDenied", "must be addressed using the specified endpoint")
            }),
            returned(404, "NoSuchBucket", "The specified bucket does not exist."),
            Error {
                bucket: BucketName::parse("my_bucket").ok(),
                ..returned(404, "NoSuchBucket", "The specified bucket does not exist.")
            },
            returned(403, "InvalidAccessKeyId", "The access key id does not exist."),
            returned(403, "SignatureDoesNotMatch", "The signature does not match."),
            returned(403, "InvalidSecurityToken", "The security token is invalid."),
            returned(403, "SecurityTokenExpired", "The security token has expired."),
            Error { clock_skew_seconds: Some(-4000), ..skewed.clone() },
            Error { clock_skew_seconds: Some(90_061), ..skewed.clone() },
            // Less than what is allowed is not the reason.
            Error { clock_skew_seconds: Some(-1), ..skewed.clone() },
            skewed,
            returned(400, "InvalidArgument", "Invalid signing region in Authorization header."),
            Error {
                region: "cn-hzfinance".to_owned(),
                endpoint: "https://my-bucket.oss-cn-hzfinance.aliyuncs.com".to_owned(),
                ..returned(
                    400,
                    "InvalidArgument",
                    "Invalid signing region in Authorization header."
                )
            },
            returned(
                400,
                "InvalidArgument",
                "KMSMasterKeyID is not applicable if the default sse algorithm is not KMS",
            ),
            returned(403, "SecondLevelDomainForbidden", "Please use virtual hosted style."),
            custom_domain(returned(403, "SignatureDoesNotMatch", "The signature does not match.")),
            custom_domain(returned(403, "NonStandardHostForbidden", "Your host is invalid.")),
            of(ServiceError {
                endpoint: Some("oss-rg-china-mainland.aliyuncs.com".into()),
                ..service(403, "NonStandardHostForbidden", "Your host is invalid.")
            }),
            returned(403, "UserDisable", "UserDisable"),
            returned(403, "InDebt", "Current user is indebted."),
            returned(403, "KmsInDebt", "Current user is indebted."),
            returned(
                403,
                "AbnormalBucketOwnerStatus",
                "The status of the bucket owner is abnormal."
            ),
            returned(403, "BucketDisable", "BucketDisable"),
            returned(403, "UbsmsInvalidBid", "Your account partner does not have KMS Service."),
            with_ec(403, "AccessDenied", "V1 signature is not supported.", "0002-00000080"),
            with_ec(
                400,
                "InvalidArgument",
                "Invalid signing product in Authorization header.",
                "0002-00000227"
            ),
            with_ec(
                403,
                "KmsServiceNotEnabled",
                "This user does not turn on KMS service.",
                "0005-00000218"
            ),
            returned(
                400,
                "InvalidDataEncryptionAlgorithmError",
                "The KMS Data Encryption request you specified is not valid."
            ),
            returned(
                400,
                "InvalidEncryptionAlgorithmError",
                "The Encryption request you specified is not valid.",
            ),
            Error {
                attempts: 12,
                ..returned(503, "MetaOperationQpsLimitExceeded", "Qps limit is exceeded.")
            },
            Error {
                attempts: 31,
                ..error(ErrorKind::DeadlineExceeded {
                    last: Some(Box::new(ErrorKind::Service(Box::new(service(
                        409,
                        "ConcurrentUpdateBucketFailed",
                        "Concurrent update bucket detected, please cooldown and retry later.",
                    ))))),
                })
            },
            returned(302, "BadErrorResponse", "<html>Please log in"),
            of(documented),
        ]
        .iter()
        .map(call_error)
    );
}

#[test]
fn transport_errors() {
    let connect = || TransportError::Connect(text("tcp connect error: Connection refused"));
    check!(
        [
            transport(connect()),
            Error {
                endpoint: "https://my-bucket.my-bucket.storage.example.com".to_owned(),
                ..transport(connect())
            },
            transport(TransportError::Tls(text("invalid peer certificate: UnknownIssuer"))),
            transport(TransportError::Timeout(text("operation timed out"))),
            transport(TransportError::Interrupted(text("connection reset by peer"))),
            transport(TransportError::BodyTooLarge(1_048_576)),
            transport(TransportError::ClientSetup(text("no CA certificates were loaded"))),
            transport(TransportError::InvalidRequest(text("invalid international domain name"))),
            Error {
                attempts: 1,
                ..transport(TransportError::InvalidProxy(text(
                    "the environment variable HTTPS_PROXY is not the URL of a proxy, such as \
                     http://proxy.example.com:3128"
                )))
            },
            Error {
                bucket: BucketName::parse("xn--a").ok(),
                ..transport(TransportError::InvalidRequest(text(
                    "invalid international domain name"
                )))
            },
            transport(TransportError::Proxy(text("proxy authorization required"))),
            error(ErrorKind::UnexpectedResponse(text("the body has no <SSEAlgorithm>"))),
            error(ErrorKind::NoCredentials),
            error(ErrorKind::NoRegion),
            error(ErrorKind::RegionFromProfile(Box::new(CredentialsError {
                origin: text("profile \"ci\" of /home/ci/.aliyun/config.json"),
                kind: CredentialsErrorKind::File {
                    path: "/home/ci/.aliyun/config.json".into(),
                    reason: text("No such file or directory (os error 2)"),
                },
            }))),
            Error {
                endpoint: "https://my-bucket.my-bucket.oss.example.com".to_owned(),
                ..error(ErrorKind::EndpointContainsBucket {
                    endpoint: Endpoint::parse("https://oss.example.com").unwrap(),
                })
            },
            Error {
                endpoint: "https://assets.oss-cn-hangzhou.aliyuncs.com".to_owned(),
                address_style: AddressStyle::Cname,
                ..error(ErrorKind::EndpointOfOtherBucket { bucket: text("assets") })
            },
            error(ErrorKind::DeadlineExceeded {
                last: Some(Box::new(ErrorKind::Credentials(Box::new(CredentialsError {
                    origin: text("the credentials URI at 127.0.0.1:8080"),
                    kind: CredentialsErrorKind::Timeout,
                })))),
            }),
            error(ErrorKind::DeadlineExceeded { last: None }),
            error(ErrorKind::DeadlineExceeded {
                last: Some(Box::new(ErrorKind::Transport(connect()))),
            }),
            error(ErrorKind::DeadlineExceeded {
                last: Some(Box::new(ErrorKind::Service(Box::new(service(
                    503,
                    "ServiceUnavailable",
                    "Please retry later.",
                ))))),
            }),
            error(ErrorKind::Cancelled),
        ]
        .iter()
        .map(call_error)
    );
}

#[test]
fn credential_errors() {
    let profile = "profile \"ci\" of /home/ci/.aliyun/config.json";
    let process = "profile \"ci\" of /home/ci/.aliyun/config.json (its external process)";
    check!(
        [
            sts_error(403, "NoPermission", "You are not authorized to do this action."),
            sts_error(404, "EntityNotExist.Role", "The role does not exist."),
            sts_error(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found."),
            sts_error(403, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."),
            sts_error(401, "AuthenticationFail.OIDCToken.Expired", "This token has expired."),
            sts_error(400, "InvalidTimeStamp.Expired", "Specified time stamp is expired."),
            sts_error(400, "InvalidParameter.DurationSeconds", "The session is too long."),
            sts_error(400, "Throttling.User", "Request was denied due to user flow control."),
            sts_error(500, "InternalError", "The request processing has failed."),
            sts_error(404, "", ""),
            sts_error(418, "Teapot", "Not known."),
            credentials(
                "the credentials URI at 127.0.0.1:8080",
                CredentialServiceError {
                    host: text("127.0.0.1:8080"),
                    operation: "the request for credentials",
                    request_id: None,
                    ..sts_response(403, "", "")
                }
                .into(),
            ),
            credentials(
                "role \"worker\" of this ECS instance",
                CredentialsErrorKind::Transport {
                    host: text("http://100.100.100.200"),
                    error: TransportError::Timeout(text("operation timed out")),
                },
            ),
            credentials(
                "role acs:ram::1:role/deploy, assumed with an OIDC token",
                CredentialsErrorKind::Transport {
                    host: text("https://sts.cn-hangzhou.aliyuncs.com"),
                    error: TransportError::Timeout(text("operation timed out")),
                },
            ),
            credentials(
                "the credentials URI at 127.0.0.1:8080",
                CredentialsErrorKind::Transport {
                    host: text("127.0.0.1:8080"),
                    error: TransportError::Connect(text("tcp connect error: Connection refused")),
                },
            ),
            credentials(
                "role acs:ram::1:role/deploy, assumed with an OIDC token",
                CredentialsErrorKind::Transport {
                    host: text("https://sts.cn-hangzhou.aliyuncs.com"),
                    error: TransportError::Proxy(text("unsuccessful")),
                },
            ),
            credentials(
                "the credentials URI at 127.0.0.1:8080",
                CredentialsErrorKind::InvalidResponse {
                    host: text("127.0.0.1:8080"),
                    reason: text("it has no `SecurityToken`"),
                },
            ),
            credentials(
                profile,
                CredentialsErrorKind::File {
                    path: "/home/ci/.aliyun/config.json".into(),
                    reason: text("No such file or directory (os error 2)"),
                },
            ),
            credentials(
                profile,
                CredentialsErrorKind::Profile(ProfileError::NotFound {
                    name: text("ci"),
                    known: vec![text("default"), text("dev")],
                }),
            ),
            credentials(
                profile,
                CredentialsErrorKind::Profile(ProfileError::UnsupportedMode {
                    profile: text("ci"),
                    mode: text("RsaKeyPair"),
                }),
            ),
            credentials(
                process,
                CredentialsErrorKind::Process {
                    program: text("print-keys"),
                    reason: text("failed (exit status: 1)"),
                },
            ),
        ]
        .iter()
        .map(call_error)
    );
}

#[test]
fn delays_that_a_server_asks_for() {
    let delay = Some(std::time::Duration::from_secs(90));
    let slow = ServiceError {
        retry_after: delay,
        ..service(503, "ServiceUnavailable", "Please retry later.")
    };
    let sts = |kind: ErrorKind| {
        let ErrorKind::Credentials(mut error) = kind else { return kind };
        if let CredentialsErrorKind::Service(service) = &mut error.kind {
            service.retry_after = delay;
        }
        ErrorKind::Credentials(error)
    };
    let slow_sts = sts(sts_error(503, "Busy", "Please retry later.").kind);
    let after = |kind: ErrorKind| Error {
        needed_timeout: Some(std::time::Duration::from_secs(91)),
        ..error(ErrorKind::DeadlineExceeded { last: Some(Box::new(kind)) })
    };
    let slow = || after(ErrorKind::Service(Box::new(slow.clone())));
    check!([
        call_error(&slow()),
        call_error(&after(slow_sts)),
        list_error(&Error { operation: Operation::ListBuckets, bucket: None, ..slow() }),
    ]);
    for (needed, expected) in [(0, 1), (45, 1), (46, 2), (105, 2), (3600, 61)] {
        assert_eq!(minutes(std::time::Duration::from_secs(needed)), expected, "{needed}");
    }
}
