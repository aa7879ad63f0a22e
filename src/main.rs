//! `terraform-provider-oss`: started by Terraform or OpenTofu, never by hand.

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
terraform-provider-oss: the default server-side encryption of Alibaba Cloud OSS buckets,
as a provider for Terraform and OpenTofu.

Terraform and OpenTofu start this program by themselves. By hand:

  terraform-provider-oss --debug     Serve until Ctrl-C, for use under a debugger. Prints the
                                     variable TF_REATTACH_PROVIDERS that makes terraform or
                                     tofu use this process.
  terraform-provider-oss --version   Print the version.
  terraform-provider-oss --help      Print this text.

A configuration that uses it:

  terraform {
    required_providers {
      oss = { source = \"oss-tools/oss\" }
    }
  }

  provider \"oss\" {
    region = \"cn-hangzhou\"
  }

  resource \"oss_bucket_encryption\" \"example\" {
    bucket        = \"my-bucket\"
    sse_algorithm = \"KMS\"
  }

Keys come from ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or from the
provider block. TF_LOG=debug shows every call to OSS.
";

/// What the command line asks for.
enum Command {
    Serve,
    Debug,
    Print(String),
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match parse(&arguments) {
        Ok(Command::Print(text)) => {
            // Whoever closed the pipe has seen enough.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(Command::Serve) => serve(false),
        Ok(Command::Debug) => serve(true),
        Err(problem) => fail(&format!("{problem}\n\n{HELP}"), ExitCode::from(2)),
    }
}

fn parse(arguments: &[OsString]) -> Result<Command, String> {
    let texts: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    match (texts.as_slice(), arguments.len()) {
        (&[], 0) => Ok(Command::Serve),
        // With one hyphen as Go programs are used to.
        (&["--debug" | "-debug"], 1) => Ok(Command::Debug),
        (&["--version" | "-version" | "-V"], 1) => {
            let version = env!("CARGO_PKG_VERSION");
            Ok(Command::Print(format!("terraform-provider-oss {version}\n")))
        }
        (&["--help" | "-help" | "-h"], 1) => Ok(Command::Print(HELP.to_owned())),
        _ => Err("terraform-provider-oss takes one of --debug, --version and --help.".to_owned()),
    }
}

fn serve(debug: bool) -> ExitCode {
    let variables: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    let lookup = |name: &str| variables.get(&OsString::from(name)).cloned();
    let host = plugin::HandshakeEnv::read(lookup);
    let session = plugin::negotiate(&host);
    let level = plugin::log::level(|name| lookup(name)?.into_string().ok());
    if !debug && session.is_none() {
        return fail(plugin::DIRECT_RUN_MESSAGE, ExitCode::FAILURE);
    }
    plugin::install_panic_hook();
    plugin::log::init(level);

    let environment = Environment::new(variables);
    let services = move |routes: &mut RoutesBuilder, stop: &CancellationToken| {
        let server = Server::new(OssProvider::new(environment.clone()), stop.clone());
        routes.add_service(server.into_service());
    };
    // One thread: the provider waits for OSS nearly all the time, and starts faster without more.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}\n"), ExitCode::FAILURE),
    };
    let served = runtime.block_on(async {
        match session {
            Some(session) if !debug => plugin::serve(&session, services, io::stdout()).await,
            _ => plugin::serve_debug(&PROVIDER_ADDRESSES, &host, services, io::stdout()).await,
        }
    });
    // What still runs on other threads, such as a name resolution, is not waited for.
    runtime.shutdown_background();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{}\n", error_chain(&error)), ExitCode::FAILURE),
    }
}

/// An error and why, from the outermost to the innermost cause.
fn error_chain(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", error_chain(cause)),
        None => error.to_string(),
    }
}

/// Prints to standard error, whether or not somebody reads it.
fn fail(text: &str, code: ExitCode) -> ExitCode {
    let _ = io::stderr().write_all(text.as_bytes());
    code
}
