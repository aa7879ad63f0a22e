//! A local endpoint that behaves as OSS does, for people: prints what to paste into a configuration
//! or a shell, then one line for each request, until Ctrl-C.
//!
//! ```text
//! cargo run --example emulator -- --bucket demo
//! ```

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use terraform_provider_oss::emulator::{Config, Emulator, Exchange};

const HELP: &str = "\
A local endpoint that behaves as Alibaba Cloud OSS does for bucket encryption.
It listens on 127.0.0.1 only, checks every signature, and forgets everything when it ends.

Usage: cargo run --example emulator -- [options]

  --port PORT           the port to listen on; 0, the default, takes a free one
  --region REGION       the region of the endpoint; default cn-hangzhou
  --bucket NAME         a bucket that is there from the start; may be given several times;
                        NAME@REGION puts it into another region; default demo
  --json                one line of JSON for the endpoint, then one for each request
  --help                this text
";

/// The only key the endpoint knows. It opens nothing else.
const ACCESS_KEY_ID: &str = "LTAI5tEMULATOREMULATOR01";
const ACCESS_KEY_SECRET: &str = "EmulatorSecretThatOpensNothing";

fn main() -> ExitCode {
    let options = match Options::parse(lexopt::Parser::from_env()) {
        Ok(options) => options,
        Err(error) => {
            complain(&format!("{error}\nTry --help."));
            return ExitCode::from(2);
        }
    };
    if options.help {
        say(&HELP.trim_end());
        return ExitCode::SUCCESS;
    }
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
    json: bool,
    help: bool,
}

impl Options {
    fn parse(mut arguments: lexopt::Parser) -> Result<Self, lexopt::Error> {
        use lexopt::prelude::{Long, Short, ValueExt as _};

        let mut options = Self::default();
        let text = |value: OsString| value.string();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("port") => options.port = arguments.value()?.parse()?,
                Long("region") => options.region = Some(text(arguments.value()?)?),
                Long("bucket") => options.buckets.push(text(arguments.value()?)?),
                Long("json") => options.json = true,
                Long("help") | Short('h') => options.help = true,
                unknown => return Err(unknown.unexpected()),
            }
        }
        Ok(options)
    }

    fn config(self) -> Config {
        let mut config = Config::default().with_credentials(ACCESS_KEY_ID, ACCESS_KEY_SECRET);
        config.port = self.port;
        config.region = self.region.unwrap_or(config.region);
        let buckets = if self.buckets.is_empty() { vec!["demo".to_owned()] } else { self.buckets };
        for bucket in buckets {
            config = match bucket.split_once('@') {
                Some((name, region)) => config.with_bucket_in(name, region),
                None => config.with_bucket(&bucket),
            };
        }
        let is_json = self.json;
        config.with_observer(
            move |exchange: &Exchange| {
                if is_json { say(&exchange.to_json()) } else { say(exchange) }
            },
        )
    }
}

fn run(options: Options) -> io::Result<()> {
    let is_json = options.json;
    let config = options.config();
    let (region, port) = (config.region.clone(), config.port);
    let emulator = Emulator::start(config).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on 127.0.0.1:{port}: {error}"))
    })?;
    let url = emulator.url();
    if is_json {
        let endpoint = serde_json::json!({
            "endpoint": url,
            "region": region,
            "access_key_id": ACCESS_KEY_ID,
            "access_key_secret": ACCESS_KEY_SECRET,
        });
        say(&endpoint);
    } else {
        say(&introduction(&url, &region));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(tokio::signal::ctrl_c())
}

fn introduction(url: &str, region: &str) -> String {
    format!(
        "\
# Listening on {url}. In a Terraform configuration:

provider \"oss\" {{
  region     = \"{region}\"
  endpoint   = \"{url}\"
  access_key = \"{ACCESS_KEY_ID}\"
  secret_key = \"{ACCESS_KEY_SECRET}\"
}}

# or in the environment:

export ALIBABA_CLOUD_ACCESS_KEY_ID={ACCESS_KEY_ID}
export ALIBABA_CLOUD_ACCESS_KEY_SECRET={ACCESS_KEY_SECRET}
export ALIBABA_CLOUD_REGION={region}
export ALIBABA_CLOUD_ENDPOINT_OSS={url}

# Requests, until Ctrl-C:
"
    )
}

/// To standard output, which may be closed: the endpoint serves on.
fn say(line: &dyn Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn complain(message: &dyn Display) {
    let _ = writeln!(io::stderr(), "emulator: {message}");
}
