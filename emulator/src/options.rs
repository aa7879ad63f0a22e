//! The command line of the emulator.

use std::collections::BTreeMap;
use std::ffi::OsString;

use oss_emulator::{Config, Role};

use crate::profiles::Logins;

pub(crate) const HELP: &str = "\
A local emulator of Alibaba Cloud OSS for bucket encryption. It listens on 127.0.0.1 only, verifies
every signature, and keeps all data in memory. Objects are really encrypted: with AES-256-GCM, or
with SM4-GCM if the rule says SM4.

Usage: cargo run -p oss-emulator -- [options]

  --port PORT           port to listen on (default 0: any free port)
  --region REGION       region of the emulator (default cn-hangzhou)
  --bucket NAME         bucket to create at startup (default demo); can be repeated; use
                        NAME@REGION for a bucket in another region
  --domain DOMAIN=BUCKET
                        custom domain (CNAME) of a bucket, for address_style = \"cname\"; can be
                        repeated
  --tls                 serve HTTPS with a certificate that is generated at startup and written to
                        a temporary file
  --role ARN            RAM role that can be assumed; can be repeated
  --oidc-provider ARN=TOKEN
                        OIDC provider and the only token that it accepts; can be repeated
  --ecs-role NAME       RAM role of the instance whose metadata service is emulated
  --credentials-uri     serve credentials at a URI without authentication
  --cloud-sso           accept a login to CloudSSO, and print the profile with it
  --oauth               accept a login to an Alibaba Cloud account (OAuth), and print the profile
                        with it; implies --tls, and makes the port a proxy for the hosts of OAuth
  --json                print one line of JSON for the emulator, then one for each request
  --help                print this help

While it runs, control it with requests to /-/, for example to inject faults:

  curl -X POST ENDPOINT/-/faults \\
    -d '{\"action\": \"error_response\", \"status\": 503, \"code\": \"ServiceUnavailable\"}'
                        actions: error_response, raw_response, reset_before, reset_after,
                        truncate_body, delay (milliseconds), stale_reads (reads), throttle
                        (per_second), conflicts (milliseconds), random (percent, seed),
                        expired_token; each can set method, bucket, operation, algorithm (of the
                        rule in a PUT), and times (a number or \"forever\")
  curl -X DELETE ENDPOINT/-/faults
  curl -X POST ENDPOINT/-/sessions/expire
  curl -X POST ENDPOINT/-/master-keys/rotate
  curl -X PUT ENDPOINT/-/clock -d '{\"offset_seconds\": 1200}'
                        \"sts_offset_seconds\" sets how far STS is ahead of OSS
  curl ENDPOINT/-/objects/BUCKET/KEY
                        the bytes of an object as they are stored
";

/// The AccessKey pair of the emulator. It is not valid anywhere else.
pub(crate) const ACCESS_KEY_ID: &str = "LTAI5tEMULATOREMULATOR01";
pub(crate) const ACCESS_KEY_SECRET: &str = "EmulatorSecretThatOpensNothing";

/// The options as they were given.
#[derive(Default)]
pub(crate) struct Options {
    port: u16,
    region: Option<String>,
    buckets: Vec<String>,
    domains: BTreeMap<String, String>,
    tls: bool,
    pub(crate) roles: Vec<String>,
    pub(crate) oidc_providers: BTreeMap<String, String>,
    pub(crate) ecs_role: Option<String>,
    pub(crate) credentials_uri: bool,
    pub(crate) logins: Logins,
    pub(crate) json: bool,
}

impl Options {
    /// Parses the arguments. Returns `None` for `--help`.
    pub(crate) fn parse(mut arguments: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::{Long, Short, ValueExt as _};

        let mut options = Self::default();
        let text = |value: OsString| value.string();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("port") => options.port = arguments.value()?.parse()?,
                Long("region") => options.region = Some(text(arguments.value()?)?),
                Long("bucket") => options.buckets.push(text(arguments.value()?)?),
                Long("domain") => {
                    let value = text(arguments.value()?)?;
                    let (domain, bucket) =
                        value.split_once('=').ok_or("--domain requires DOMAIN=BUCKET")?;
                    // Host headers are compared in lowercase.
                    options.domains.insert(domain.to_ascii_lowercase(), bucket.to_owned());
                }
                Long("tls") => options.tls = true,
                Long("role") => options.roles.push(text(arguments.value()?)?),
                Long("oidc-provider") => {
                    let value = text(arguments.value()?)?;
                    let (arn, token) =
                        value.split_once('=').ok_or("--oidc-provider requires ARN=TOKEN")?;
                    options.oidc_providers.insert(arn.to_owned(), token.to_owned());
                }
                Long("ecs-role") => options.ecs_role = Some(text(arguments.value()?)?),
                Long("credentials-uri") => options.credentials_uri = true,
                Long("cloud-sso") => options.logins.cloud_sso = true,
                Long("oauth") => options.logins.oauth = true,
                Long("json") => options.json = true,
                Long("help") | Short('h') => return Ok(None),
                unknown => return Err(unknown.unexpected()),
            }
        }
        Ok(Some(options))
    }

    /// The configuration of the emulator.
    pub(crate) fn config(self) -> Config {
        let mut config = Config::default().with_credentials(ACCESS_KEY_ID, ACCESS_KEY_SECRET);
        config.port = self.port;
        config.region = self.region.unwrap_or(config.region);
        config.custom_domains = self.domains;
        config.tls = self.tls;
        config.roles = self.roles.iter().map(|arn| Role::new(arn)).collect();
        config.oidc_providers = self.oidc_providers;
        config.ecs_role = self.ecs_role;
        config.credentials_uri = self.credentials_uri;
        config = self.logins.add_to(config);
        let buckets = if self.buckets.is_empty() { vec!["demo".to_owned()] } else { self.buckets };
        for bucket in buckets {
            config = match bucket.split_once('@') {
                Some((name, region)) => config.with_bucket_in(name, region),
                None => config.with_bucket(&bucket),
            };
        }
        config
    }
}
