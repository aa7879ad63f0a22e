//! A local endpoint that behaves as OSS does, for people: prints what to paste into a configuration
//! or a shell, then one line for each request, until Ctrl-C.
//!
//! ```text
//! cargo run -p oss-emulator -- --bucket demo
//! ```

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::{self, Display};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use oss_emulator::{Config, Emulator, RecordedRequest, Role};
use tempfile::NamedTempFile;

const HELP: &str = "\
A local endpoint that behaves as Alibaba Cloud OSS does for bucket encryption.
It listens on 127.0.0.1 only, checks every signature, and forgets everything when it ends.
Objects are encrypted for real: AES-256-GCM, or SM4-GCM where the rule says SM4.

Usage: cargo run -p oss-emulator -- [options]

  --port PORT           the port to listen on; 0, the default, takes a free one
  --region REGION       the region of the endpoint; default cn-hangzhou
  --bucket NAME         a bucket that is there from the start; may be given several times;
                        NAME@REGION puts it into another region; default demo
  --domain DOMAIN=BUCKET
                        a custom domain of a bucket (CNAME), for address_style = \"cname\"; may be given
                        several times
  --tls                 speak TLS, with a certificate that is made at start and written to a
                        temporary file
  --role ARN            a role that can be assumed; may be given several times
  --oidc-provider ARN=TOKEN
                        an identity provider, and the one token that it vouches for; may be given
                        several times
  --ecs-role NAME       the role of the instance that the endpoint's metadata service speaks for
  --credentials-uri     credentials for whoever asks at a URI
  --json                one line of JSON for the endpoint, then one for each request
  --help                this text

While it runs, faults are scripted and more is controlled at /-/:

  curl -X POST ENDPOINT/-/faults -d '{\"action\": \"answer\", \"status\": 503, \"code\": \"ServiceUnavailable\"}'
                        actions: answer, garbage, reset_before, reset_after, cut_body, delay
                        (milliseconds), stale_reads (reads), throttle (per_second), storm (percent, seed),
                        expired_token; each may name a method, a bucket, an operation, and times (a
                        number or \"forever\")
  curl -X DELETE ENDPOINT/-/faults
  curl -X POST ENDPOINT/-/sessions/expire
  curl -X POST ENDPOINT/-/master-keys/rotate
  curl -X PUT ENDPOINT/-/clock -d '{\"offset_seconds\": 1200}'
  curl ENDPOINT/-/objects/BUCKET/KEY
                        an object's bytes as they are kept
";

/// The only key the endpoint knows. It opens nothing else.
const ACCESS_KEY_ID: &str = "LTAI5tEMULATOREMULATOR01";
const ACCESS_KEY_SECRET: &str = "EmulatorSecretThatOpensNothing";

fn main() -> ExitCode {
    let options = match Options::parse(lexopt::Parser::from_env()) {
        Ok(Some(options)) => options,
        Ok(None) => {
            say(&HELP.trim_end());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            complain(&format!("{error}\nTry --help."));
            return ExitCode::from(2);
        }
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for.
#[derive(Default)]
struct Options {
    port: u16,
    region: Option<String>,
    buckets: Vec<String>,
    domains: BTreeMap<String, String>,
    tls: bool,
    roles: Vec<String>,
    oidc_providers: BTreeMap<String, String>,
    ecs_role: Option<String>,
    credentials_uri: bool,
    json: bool,
}

impl Options {
    /// Nothing where it asks for help only.
    fn parse(mut arguments: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
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
                        value.split_once('=').ok_or("--domain takes DOMAIN=BUCKET")?;
                    // Hosts come in lower case.
                    options.domains.insert(domain.to_ascii_lowercase(), bucket.to_owned());
                }
                Long("tls") => options.tls = true,
                Long("role") => options.roles.push(text(arguments.value()?)?),
                Long("oidc-provider") => {
                    let value = text(arguments.value()?)?;
                    let (arn, token) =
                        value.split_once('=').ok_or("--oidc-provider takes ARN=TOKEN")?;
                    options.oidc_providers.insert(arn.to_owned(), token.to_owned());
                }
                Long("ecs-role") => options.ecs_role = Some(text(arguments.value()?)?),
                Long("credentials-uri") => options.credentials_uri = true,
                Long("json") => options.json = true,
                Long("help") | Short('h') => return Ok(None),
                unknown => return Err(unknown.unexpected()),
            }
        }
        Ok(Some(options))
    }

    fn config(self) -> Config {
        let mut config = Config::default().with_credentials(ACCESS_KEY_ID, ACCESS_KEY_SECRET);
        config.port = self.port;
        config.region = self.region.unwrap_or(config.region);
        config.custom_domains = self.domains;
        config.tls = self.tls;
        config.roles = self.roles.iter().map(|arn| Role::new(arn)).collect();
        config.oidc_providers = self.oidc_providers;
        config.ecs_role = self.ecs_role;
        config.credentials_uri = self.credentials_uri;
        let buckets = if self.buckets.is_empty() { vec!["demo".to_owned()] } else { self.buckets };
        for bucket in buckets {
            config = match bucket.split_once('@') {
                Some((name, region)) => config.with_bucket_in(name, region),
                None => config.with_bucket(&bucket),
            };
        }
        let is_json = self.json;
        config.with_observer(move |exchange: &RecordedRequest| {
            if is_json {
                say(&exchange.to_json());
            } else {
                say(&format!("{exchange}{}", by(exchange)));
            }
        })
    }
}

fn run(options: Options) -> io::Result<()> {
    let is_json = options.json;
    let (roles, oidc_providers) = (options.roles.clone(), options.oidc_providers.clone());
    let (ecs_role, has_credentials_uri) = (options.ecs_role.clone(), options.credentials_uri);
    let config = options.config();
    let (region, port) = (config.region.clone(), config.port);
    let emulator = Emulator::start(config).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => error,
        kind => io::Error::new(kind, format!("cannot listen on 127.0.0.1:{port}: {error}")),
    })?;
    // It is removed at the end.
    let certificate = emulator.certificate_pem().map(temporary_file).transpose()?;
    let introduction = Introduction {
        url: emulator.url(),
        region,
        certificate: certificate.as_ref().map(NamedTempFile::path),
        roles,
        oidc_providers,
        metadata: ecs_role.map(|role| (role, emulator.metadata_url())),
        credentials_uri: has_credentials_uri.then(|| emulator.credentials_uri()),
    };
    if is_json {
        say(&introduction.to_json());
    } else {
        say(&introduction);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(end())
}

/// Completes when someone wants this to end.
async fn end() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut termination = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = termination.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

fn temporary_file(text: &str) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("oss-emulator-").suffix(".pem").tempfile()?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}

/// What a person, or a program, has to know to use the endpoint.
struct Introduction<'c> {
    url: String,
    region: String,
    /// The file with the certificate, where it speaks TLS.
    certificate: Option<&'c Path>,
    roles: Vec<String>,
    oidc_providers: BTreeMap<String, String>,
    /// The instance's role, and the base of the metadata service's addresses.
    metadata: Option<(String, String)>,
    credentials_uri: Option<String>,
}

impl Introduction<'_> {
    /// One line for machines; what is not switched on is not in it.
    fn to_json(&self) -> serde_json::Value {
        let certificate = self.certificate.map(|path| path.display().to_string());
        let members = [
            ("endpoint", Some(self.url.as_str())),
            ("region", Some(&self.region)),
            ("access_key_id", Some(ACCESS_KEY_ID)),
            ("access_key_secret", Some(ACCESS_KEY_SECRET)),
            ("certificate_file", certificate.as_deref()),
            ("sts_endpoint", self.sts_endpoint()),
            ("ecs_metadata_endpoint", self.metadata.as_ref().map(|(_, url)| url.as_str())),
            ("credentials_uri", self.credentials_uri.as_deref()),
        ];
        members.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect()
    }

    /// The endpoint is STS's too, which only matters where there is something to assume.
    fn sts_endpoint(&self) -> Option<&str> {
        let has_sts = !self.roles.is_empty() || !self.oidc_providers.is_empty();
        has_sts.then_some(self.url.as_str())
    }

    /// The provider block.
    fn write_block(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, region, .. } = self;
        // Keys in the block would be taken in place of a token.
        let has_keys = self.roles.is_empty() || self.oidc_providers.is_empty();
        let keys = [("access_key", ACCESS_KEY_ID), ("secret_key", ACCESS_KEY_SECRET)];
        let arguments = [("region", region.as_str()), ("endpoint", url)];
        let arguments = arguments.into_iter().chain(keys.into_iter().filter(|_| has_keys));
        let sts = self.sts_endpoint().map(|url| ("sts_endpoint", url));
        writeln!(formatter, "provider \"oss\" {{")?;
        write_arguments(formatter, "  ", &arguments.chain(sts).collect::<Vec<_>>())?;
        if let Some(role) = self.roles.first() {
            let role = ("role_arn", role.as_str());
            let (block, arguments) = match self.oidc_providers.first_key_value() {
                None => ("assume_role", vec![role]),
                Some((provider, token)) => (
                    "assume_role_with_oidc",
                    vec![role, ("oidc_provider_arn", provider), ("oidc_token", token)],
                ),
            };
            writeln!(formatter, "\n  {block} {{")?;
            write_arguments(formatter, "    ", &arguments)?;
            writeln!(formatter, "  }}")?;
        }
        writeln!(formatter, "}}")
    }
}

impl fmt::Display for Introduction<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, region, .. } = self;
        writeln!(formatter, "# Listening on {url}. In a Terraform configuration:\n")?;
        self.write_block(formatter)?;
        write!(
            formatter,
            "
# or in the environment:

export ALIBABA_CLOUD_ACCESS_KEY_ID={ACCESS_KEY_ID}
export ALIBABA_CLOUD_ACCESS_KEY_SECRET={ACCESS_KEY_SECRET}
export ALIBABA_CLOUD_REGION={region}
export ALIBABA_CLOUD_ENDPOINT_OSS={url}
"
        )?;
        if let Some(url) = self.sts_endpoint() {
            writeln!(formatter, "export ALIBABA_CLOUD_STS_ENDPOINT={url}")?;
        }
        if let Some(role) = self.roles.first() {
            writeln!(formatter, "export ALIBABA_CLOUD_ROLE_ARN={role}")?;
        }
        if let Some((provider, token)) = self.oidc_providers.first_key_value() {
            writeln!(formatter, "\n# In place of the keys:\n")?;
            writeln!(formatter, "export ALIBABA_CLOUD_OIDC_PROVIDER_ARN={provider}")?;
            writeln!(formatter, "export ALIBABA_CLOUD_OIDC_TOKEN={token}")?;
        }
        if let Some(path) = self.certificate {
            let path = path.display();
            writeln!(
                formatter,
                "\n# Clients have to trust its certificate. In a shell of its own: these replace what is \
                 trusted.\n"
            )?;
            for variable in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
                writeln!(formatter, "export {variable}={path}")?;
            }
        }
        if let Some((role, base)) = &self.metadata {
            writeln!(formatter, "\n# In place of the keys, ecs_role_name = \"{role}\", or:\n")?;
            writeln!(formatter, "export ALIBABA_CLOUD_ECS_METADATA={role}")?;
            writeln!(formatter, "export ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT={base}")?;
        }
        if let Some(uri) = &self.credentials_uri {
            writeln!(formatter, "\n# In place of the keys, credentials_uri = \"{uri}\", or:\n")?;
            writeln!(formatter, "export ALIBABA_CLOUD_CREDENTIALS_URI={uri}")?;
        }
        write!(formatter, "\n# Requests, until Ctrl-C:")
    }
}

/// Arguments of a block, in the form that `terraform fmt` leaves alone.
fn write_arguments(
    formatter: &mut fmt::Formatter<'_>,
    indent: &str,
    arguments: &[(&str, &str)],
) -> fmt::Result {
    let width = arguments.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, value) in arguments {
        writeln!(formatter, "{indent}{name:<width$} = \"{value}\"")?;
    }
    Ok(())
}

/// Who asked, behind what was asked: the beginning of the key's id, and the program.
fn by(exchange: &RecordedRequest) -> String {
    let key = exchange.access_key_id.as_ref().map(|id| id.chars().take(8).collect::<String>());
    let program = exchange.user_agent.as_deref().and_then(|agent| agent.split(' ').next());
    match (key, program) {
        (Some(key), Some(program)) => format!("  by {key}… with {program}"),
        (Some(key), None) => format!("  by {key}…"),
        (None, Some(program)) => format!("  with {program}"),
        (None, None) => String::new(),
    }
}

/// To standard output, which may be closed: the endpoint serves on.
fn say(line: &dyn Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn complain(message: &dyn Display) {
    let _ = writeln!(io::stderr(), "emulator: {message}");
}
