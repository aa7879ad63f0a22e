//! Reproduces the message of each section of the troubleshooting guide, by its heading. The RPCs are those
//! that Terraform calls. The emulator returns most errors by itself; errors that only the real service
//! returns are injected.

use std::time::Duration;

use oss_emulator::{Config, Emulator, EncryptionRule, Fault, Role};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use terraform_provider_oss::provider::{Environment, OssProvider};
use terraform_provider_oss::tfplugin::pb;

use crate::support::{
    KEY_ID, KEY_SECRET, TYPE, TestClient, client_for, dynamic, provider_config, resource,
};

const ROLE: &str = "acs:ram::1234567890123456:role/deploy";
const GUARDED: &str = "acs:ram::1234567890123456:role/guarded";
const OIDC: &str = "acs:ram::1234567890123456:oidc-provider/pipeline";

/// What the user does, and what fails.
struct Scenario {
    emulator: Emulator,
    /// The provider block.
    provider: Json,
    /// AccessKey ID and secret in the environment.
    access_key: Option<(&'static str, &'static str)>,
    /// Other variables.
    environment: Vec<(&'static str, &'static str)>,
    /// Files of the user.
    directory: TempDir,
    bucket: &'static str,
    action: Action,
    /// `timeouts.create`.
    create_timeout: Option<&'static str>,
}

enum Action {
    Apply,
    /// Creates two resources for the bucket, with different rules.
    ApplyTwo,
    /// Creates a resource and destroys another one for the bucket.
    ChangeAddress,
    Import,
    /// Reads the data source of all buckets.
    ReadAll,
}

/// The message of the section with this heading; none if the heading is unknown.
pub(super) async fn message(heading: &str) -> Option<String> {
    let scenario = scenario(heading)
        .or_else(|| account_scenario(heading))
        .or_else(|| address_scenario(heading))
        .or_else(|| credentials_scenario(heading))
        .or_else(|| sts_scenario(heading))?;
    Some(scenario.run().await)
}

/// An error response of OSS to the write.
fn fault(status: u16, code: &str, message: &str) -> Scenario {
    Scenario::new().with(Fault::error_response(status, code).message(message).method("PUT"))
}

/// OSS returns this error for each request, because it cannot accept any.
fn rejected(status: u16, code: &str, message: &str) -> Scenario {
    Scenario::new().with(Fault::error_response(status, code).message(message))
}

/// An error for the write with an EC.
fn with_ec(status: u16, code: &str, message: &str, ec: &str) -> Scenario {
    let fault = Fault::error_response(status, code).message(message).ec(ec);
    Scenario::new().with(fault.method("PUT"))
}

fn scenario(heading: &str) -> Option<Scenario> {
    Some(match heading {
        "`AccessDenied`" => fault(
            403,
            "AccessDenied",
            "You have no right to access this object because of bucket acl.",
        ),
        "`InvalidAccessKeyId`" => {
            Scenario::new().with_access_key("LTAI5tUNKNOWNUNKNOWN0001", KEY_SECRET)
        }
        "`SignatureDoesNotMatch`" => {
            Scenario::new().with_access_key(KEY_ID, "AnotherSecretAnotherSecret")
        }
        "`InvalidSecurityToken`, `AccessKeyIdAndSecurityTokenNotMatch`" => {
            rejected(403, "InvalidSecurityToken", "The security token you provided is invalid.")
        }
        "`SecurityTokenExpired`" => {
            rejected(403, "SecurityTokenExpired", "The security token you provided has expired.")
        }
        "`RequestTimeTooSkewed`" => rejected(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        ),
        "`NoSuchBucket`" => Scenario::new().on_bucket("my-company-log"),
        "`NoSuchServerSideEncryptionRule`" => Scenario::new().doing(Action::Import),
        "`InvalidBucketName`" => {
            rejected(400, "InvalidBucketName", "The specified bucket is not valid.")
        }
        "`InvalidArgument`: the KMS key (`KMSMasterKeyID`)" => fault(
            400,
            "InvalidArgument",
            "KMSMasterKeyID is not applicable if the default sse algorithm is not KMS",
        ),
        "`InvalidEncryptionAlgorithmError`, `InvalidDataEncryptionAlgorithmError`" => fault(
            400,
            "InvalidEncryptionAlgorithmError",
            "The Encryption request you specified is not valid. Supported value: AES256/SM4/KMS.",
        ),
        "`KmsServiceNotEnabled`, `KmsUbsmsInvalidBid`, `UbsmsInvalidBid`" => with_ec(
            403,
            "KmsServiceNotEnabled",
            "This user does not turn on KMS service.",
            "0005-00000218",
        ),
        "EC `0002-00000080`: signature V1" => {
            let fault = Fault::error_response(403, "AccessDenied").ec("0002-00000080");
            let fault = fault.message("Requests signed with V1 are not supported.");
            Scenario::new().with(fault).set("signature_version", "v1")
        }
        "`MetaOperationQpsLimitExceeded`, `TotalQpsLimitExceeded`, `ServiceUnavailable`" => fault(
            503,
            "MetaOperationQpsLimitExceeded",
            "Qps limit for the meta operation is exceeded.",
        ),
        "`ConcurrentUpdateBucketFailed`, `OperationAborted`" => {
            let message = "Concurrent update bucket detected, please cooldown and retry later.";
            Scenario {
                create_timeout: Some("3s"),
                ..fault(409, "ConcurrentUpdateBucketFailed", message)
            }
        }
        "`Retry-After`" => {
            let fault = Fault::error_response(503, "ServiceUnavailable").retry_after(600);
            let message = "Please reduce your request rate.";
            Scenario::new().retrying().with(fault.message(message).method("PUT"))
        }
        "A response that is not from OSS (`BadErrorResponse`)" => {
            let page = Fault::raw_response("text/html", "<html>Please log in</html>");
            Scenario::new().with(page.status(302))
        }
        "Set, but not verified" => {
            let fault =
                Fault::error_response(403, "AccessDenied").message("You have no right to read it.");
            // The rule is read before it is set, and again afterwards.
            Scenario::new().sparing_the_first_read().with(fault.method("GET"))
        }
        "Buckets that could not be read" => {
            let message = "You have no right to read it.";
            let fault = Fault::error_response(403, "AccessDenied").message(message);
            Scenario::new().with(fault.bucket("my-company-logs")).doing(Action::ReadAll)
        }
        "Unknown outcome" => Scenario::new().with(Fault::reset_before().method("PUT")),
        "A rule that was there before" => Scenario::new().with_rule("KMS"),
        "Something else sets the encryption" => Scenario::new().with_second_owner(),
        "Another resource sets the encryption" => Scenario::new().doing(Action::ApplyTwo),
        "The encryption was kept" => Scenario::new().doing(Action::ChangeAddress),
        "No connection" => Scenario::new().set("endpoint", "http://127.0.0.1:1"),
        "No credentials" => {
            Scenario::new().without_access_key().with_variable("HOME", "/home/of/no/one")
        }
        "No region" => Scenario::new().set("region", ""),
        "A profile that cannot be used" => Scenario::new()
            .without_access_key()
            .set("profile", "ci")
            .set("shared_credentials_file", "/home/ci/.aliyun/config.json"),
        _ => return None,
    })
}

/// The sections about suspended accounts and buckets.
fn account_scenario(heading: &str) -> Option<Scenario> {
    Some(match heading {
        "`KmsInDebt`, `KmsInDebtOverdue`" => fault(403, "KmsInDebt", "Current user is indebted."),
        "`UserDisable`, `InDebt`, `InDebtOverdue`" => rejected(403, "UserDisable", "UserDisable"),
        "`AbnormalBucketOwnerStatus`" => {
            let message = "The status of the bucket owner is abnormal";
            rejected(403, "AbnormalBucketOwnerStatus", message)
        }
        "`BucketDisable`" => rejected(403, "BucketDisable", "BucketDisable"),
        _ => return None,
    })
}

/// The sections about regions, endpoints and hosts.
fn address_scenario(heading: &str) -> Option<Scenario> {
    Some(match heading {
        "`AccessDenied`, `PermanentRedirect`, `TemporaryRedirect`: another endpoint" => {
            let message = "The bucket you are attempting to access must be addressed using the specified \
                           endpoint.";
            let fault = Fault::error_response(403, "AccessDenied")
                .message(message)
                .endpoint("oss-cn-shanghai.aliyuncs.com");
            Scenario::new().with(fault)
        }
        "`SignatureDoesNotMatch`: a custom domain" => Scenario::new().set("address_style", "cname"),
        "EC `0002-00000227`: CloudBox" => {
            let fault = Fault::error_response(400, "InvalidArgument").ec("0002-00000227");
            let fault = fault.message("Invalid signing product in Authorization header.");
            Scenario::new().with(fault)
        }
        "`NonStandardHostForbidden`" => rejected(
            403,
            "NonStandardHostForbidden",
            "Your host is invalid. Please use Open Storage Service standard host.",
        ),
        "`SecondLevelDomainForbidden`" => rejected(
            403,
            "SecondLevelDomainForbidden",
            "Please use virtual hosted style to access.",
        ),
        "`InvalidArgument`: the signing region" => Scenario::new().on_bucket("my-company-invoices"),
        "A region as endpoint" => Scenario::new().set("endpoint", "cn-hangzhou"),
        "An endpoint that contains the bucket" => {
            Scenario::new().set("endpoint", "https://my-company-logs.oss.example.com")
        }
        _ => return None,
    })
}

/// The sections about credentials that need files or variables.
fn credentials_scenario(heading: &str) -> Option<Scenario> {
    Some(match heading {
        "A login that has ended" => Scenario::new().with_profiles(
            r#"{ "profiles": [ { "name": "ci", "mode": "CloudSSO", "cloud_sso_account_id": "1",
                "cloud_sso_sign_in_url": "https://signin.example.com", "cloud_sso_access_config": "ac-1",
                "access_token": "ended", "cloud_sso_access_token_expire": 1000000000 } ] }"#,
        ),
        "A configuration file of another tool" => Scenario::new().with_profiles(
            "[default]\ntype = access_key\naccess_key_id = id\naccess_key_secret = secret\n",
        ),
        "A security token that does not belong to the AccessKey pair" => {
            Scenario::new().with_variable("ALIBABA_CLOUD_SECURITY_TOKEN", "of-another-pair")
        }
        "An incomplete OIDC role" => Scenario::new()
            .without_access_key()
            .with_variable("ALIBABA_CLOUD_ROLE_ARN", ROLE)
            .with_variable("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", OIDC),
        _ => return None,
    })
}

/// The sections about assumed roles.
fn sts_scenario(heading: &str) -> Option<Scenario> {
    let sts = |status: u16, code: &str, message: &str| {
        let fault = Fault::error_response(status, code).message(message).operation("AssumeRole");
        Scenario::new().with_role(ROLE).with(fault)
    };
    Some(match heading {
        "`NoPermission`" => Scenario::new().with_role(GUARDED),
        "`EntityNotExist`" => Scenario::new().with_role("acs:ram::1234567890123456:role/deplyo"),
        "`InvalidAccessKeyId`, `SignatureDoesNotMatch`, `IncompleteSignature` from STS" => {
            Scenario::new().with_role(ROLE).with_access_key("LTAI5tUNKNOWNUNKNOWN0001", KEY_SECRET)
        }
        "`InvalidSecurityToken` from STS" => {
            sts(403, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
        }
        "`AuthenticationFail`" => Scenario::new().with_token("another-token"),
        "`InvalidParameter`" => sts(
            400,
            "InvalidParameter.DurationSeconds",
            "The Min/Max value of DurationSeconds is 15min/1hr.",
        ),
        "`InvalidTimeStamp`" => {
            sts(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
        }
        "`Throttling`" => {
            sts(400, "Throttling.User", "Request was denied due to user flow control.")
        }
        _ => return None,
    })
}

async fn apply(
    client: &mut TestClient<OssProvider>,
    prior: Json,
    planned: Json,
) -> Vec<pb::Diagnostic> {
    let request = pb::apply_resource_change::Request {
        type_name: TYPE.into(),
        prior_state: Some(dynamic(&prior)),
        planned_state: Some(dynamic(&planned)),
        config: Some(dynamic(&planned)),
        ..Default::default()
    };
    client.apply_resource_change(request).await.unwrap().into_inner().diagnostics
}

/// The `timeouts` block with this timeout for `create`.
fn timeouts(create: &str) -> Json {
    json!({ "create": create, "read": null, "update": null, "delete": null })
}

impl Scenario {
    fn new() -> Self {
        let config = Config::default()
            .with_credentials(KEY_ID, KEY_SECRET)
            .with_bucket("my-company-logs")
            .with_bucket_in("my-company-invoices", "cn-shanghai")
            .with_role(Role::new(ROLE))
            .with_role(Role::new(GUARDED).with_external_id("ticket-7"))
            .with_oidc_provider(OIDC, "the-pipeline-token");
        let emulator = Emulator::start(config).unwrap();
        let provider = json!({
            "region": "cn-hangzhou",
            "endpoint": emulator.url(),
            "sts_endpoint": emulator.url(),
            "max_retries": 0,
        });
        let access_key = Some((KEY_ID, KEY_SECRET));
        Self {
            emulator,
            provider,
            access_key,
            environment: Vec::new(),
            directory: TempDir::new().unwrap(),
            bucket: "my-company-logs",
            action: Action::Apply,
            create_timeout: None,
        }
    }

    /// Injects a fault for all further requests.
    fn with(self, fault: Fault) -> Self {
        self.emulator.inject(fault.forever());
        self
    }

    /// Sets an argument of the provider block; `""` removes it.
    fn set(mut self, name: &str, value: &str) -> Self {
        self.provider[name] = if value.is_empty() { Json::Null } else { value.into() };
        self
    }

    /// Lets the read before the write pass the faults that are injected after this.
    fn sparing_the_first_read(self) -> Self {
        self.emulator.inject(Fault::delay(Duration::ZERO).method("GET"));
        self
    }

    fn with_rule(self, algorithm: &str) -> Self {
        self.emulator.set_rule("my-company-logs", EncryptionRule::new(algorithm));
        self
    }

    /// The read before the write finds no rule, and those after it find KMS.
    fn with_second_owner(self) -> Self {
        let scenario = self.with_rule("KMS");
        let missing = Fault::error_response(404, "NoSuchServerSideEncryptionRule");
        scenario.emulator.inject(missing.method("GET"));
        scenario.with(Fault::stale_reads(1_000_000))
    }

    /// Retries failed requests.
    fn retrying(mut self) -> Self {
        self.provider["max_retries"] = Json::Null;
        self
    }

    fn with_access_key(mut self, id: &'static str, secret: &'static str) -> Self {
        self.access_key = Some((id, secret));
        self
    }

    fn with_variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, value));
        self
    }

    /// Uses profile `ci` of a file with this text.
    fn with_profiles(self, text: &str) -> Self {
        let path = self.directory.path().join("config.json");
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap().to_owned();
        self.without_access_key().set("profile", "ci").set("shared_credentials_file", &path)
    }

    fn without_access_key(mut self) -> Self {
        self.access_key = None;
        self
    }

    fn with_role(mut self, arn: &str) -> Self {
        self.provider["assume_role"] = json!({ "role_arn": arn });
        self
    }

    fn with_token(self, token: &str) -> Self {
        let mut scenario = self.without_access_key();
        scenario.provider["assume_role_with_oidc"] =
            json!({ "role_arn": ROLE, "oidc_provider_arn": OIDC, "oidc_token": token });
        scenario
    }

    fn on_bucket(mut self, bucket: &'static str) -> Self {
        self.bucket = bucket;
        self
    }

    fn doing(mut self, action: Action) -> Self {
        self.action = action;
        self
    }

    fn state(&self, algorithm: &str) -> Json {
        resource(json!({
            "bucket": self.bucket, "id": self.bucket, "sse_algorithm": algorithm,
            "timeouts": self.create_timeout.map(timeouts),
        }))
    }

    /// Applies, imports or reads, and returns the messages as Terraform prints them.
    async fn run(self) -> String {
        let variables = self.access_key.into_iter().flat_map(|(id, secret)| {
            [("ALIBABA_CLOUD_ACCESS_KEY_ID", id), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", secret)]
        });
        let variables = variables.chain(self.environment.iter().copied());
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        let mut client = client_for(OssProvider::new(Environment::new(variables)));
        let config = Some(provider_config(self.provider.clone()));
        let request = pb::configure_provider::Request { config, ..Default::default() };
        let configured = client.configure_provider(request).await.unwrap().into_inner();
        let mut messages = configured.diagnostics;
        if messages.is_empty() {
            messages = self.act(&mut client).await;
        }
        let rendered = |message: &pb::Diagnostic| {
            let severity = message.severity().as_str_name();
            let severity = severity[..1].to_owned() + &severity[1..].to_lowercase();
            format!("{severity}: {}\n\n{}", message.summary, message.detail)
        };
        messages.iter().map(rendered).collect::<Vec<_>>().join("\n\n")
    }

    async fn act(self, client: &mut TestClient<OssProvider>) -> Vec<pb::Diagnostic> {
        match self.action {
            Action::Apply => apply(client, Json::Null, self.state("AES256")).await,
            Action::ApplyTwo => {
                assert_eq!(apply(client, Json::Null, self.state("AES256")).await, []);
                apply(client, Json::Null, self.state("KMS")).await
            }
            Action::ChangeAddress => {
                assert_eq!(apply(client, Json::Null, self.state("AES256")).await, []);
                apply(client, self.state("AES256"), Json::Null).await
            }
            Action::Import => {
                let request = pb::import_resource_state::Request {
                    type_name: TYPE.into(),
                    id: self.bucket.into(),
                    ..Default::default()
                };
                client.import_resource_state(request).await.unwrap().into_inner().diagnostics
            }
            Action::ReadAll => {
                let config =
                    json!({ "prefix": null, "region": null, "buckets": null, "timeouts": null });
                let request = pb::read_data_source::Request {
                    type_name: "oss_bucket_encryptions".into(),
                    config: Some(dynamic(&config)),
                    ..Default::default()
                };
                client.read_data_source(request).await.unwrap().into_inner().diagnostics
            }
        }
    }
}
