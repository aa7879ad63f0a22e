//! `terraform-provider-oss`: the binary that Terraform and OpenTofu start.

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use terraform_provider_oss::plugin;
use terraform_provider_oss::provider::{Environment, OssProvider};
use terraform_provider_oss::tfplugin::Server;
use tokio_util::sync::CancellationToken;
use tonic::service::RoutesBuilder;

/// The addresses of the provider: `oss-tools/oss` means the first to Terraform, the second to `OpenTofu`.
const PROVIDER_ADDRESSES: [&str; 2] =
    ["registry.terraform.io/oss-tools/oss", "registry.opentofu.org/oss-tools/oss"];

const HELP: &str = "\
Terraform and OpenTofu provider for the default server-side encryption of Alibaba Cloud
OSS buckets.

Terraform and OpenTofu start this binary when they need it. To run it yourself:

  terraform-provider-oss --debug     Serve until Ctrl-C, for use with a debugger. Prints the
                                     environment variable TF_REATTACH_PROVIDERS, with which
                                     terraform or tofu use this process.
  terraform-provider-oss --version   Print the version.
  terraform-provider-oss --help      Print this text.

Example configuration:

  terraform {
    required_providers {
      oss = { source = \"oss-tools/oss\", version = \"~> 0.1\" }
    }
  }

  provider \"oss\" {
    region = \"cn-hangzhou\"
  }

  resource \"oss_bucket_encryption\" \"example\" {
    bucket        = \"my-bucket\"
    sse_algorithm = \"KMS\"
  }

Credentials are read from ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or
from the provider block. TF_LOG=debug logs every request to OSS.
";

enum Command {
    Serve,
    Debug,
    Print(String),
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match parse(&arguments) {
        Ok(Command::Print(text)) => {
            // Fails if the reader has closed the pipe, as `head` does.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(Command::Serve) => serve(false),
        Ok(Command::Debug) => serve(true),
        Err(error) => fail(&format!("{error}\n\n{HELP}"), ExitCode::from(2)),
    }
}

fn parse(arguments: &[OsString]) -> Result<Command, String> {
    let texts: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    match (texts.as_slice(), arguments.len()) {
        (&[], 0) => Ok(Command::Serve),
        // Go programs accept one hyphen.
        (&["--debug" | "-debug"], 1) => Ok(Command::Debug),
        (&["--version" | "-version" | "-V"], 1) => {
            let version = env!("CARGO_PKG_VERSION");
            Ok(Command::Print(format!("terraform-provider-oss {version}\n")))
        }
        (&["--help" | "-help" | "-h"], 1) => Ok(Command::Print(HELP.to_owned())),
        _ => Err("terraform-provider-oss accepts one of --debug, --version and --help.".to_owned()),
    }
}

fn serve(is_debug: bool) -> ExitCode {
    let variables: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    let lookup = |name: &str| variables.get(&OsString::from(name)).cloned();
    let handshake_env = plugin::HandshakeEnv::read(lookup);
    let params = plugin::negotiate(&handshake_env);
    let level = plugin::log::level(|name| Some(lookup(name)?.to_string_lossy().into_owned()));
    if !is_debug && params.is_none() {
        return fail(plugin::DIRECT_RUN_MESSAGE, ExitCode::FAILURE);
    }
    plugin::install_panic_hook();
    plugin::log::init(level);

    let environment = Environment::new(variables);
    let services = move |routes: &mut RoutesBuilder, stop: &CancellationToken| {
        let server = Server::new(OssProvider::new(environment.clone()), stop.clone());
        routes.add_service(server.into_service());
    };
    // One thread is enough because the provider mostly waits for OSS, and it starts faster.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}\n"), ExitCode::FAILURE),
    };
    let served = runtime.block_on(async {
        match params {
            Some(params) if !is_debug => plugin::serve(&params, services, io::stdout()).await,
            _ => {
                let addresses = &PROVIDER_ADDRESSES;
                plugin::serve_debug(addresses, &handshake_env, services, io::stdout()).await
            }
        }
    });
    // Does not wait for other threads, such as a name resolution.
    runtime.shutdown_background();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{}\n", error_chain(&error)), ExitCode::FAILURE),
    }
}

/// An error and its causes, the innermost last.
fn error_chain(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", error_chain(cause)),
        None => error.to_string(),
    }
}

/// Prints to standard error. Unlike `eprint!`, does not panic if it is closed.
fn fail(text: &str, code: ExitCode) -> ExitCode {
    let _ = io::stderr().write_all(text.as_bytes());
    code
}
