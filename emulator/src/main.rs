//! The emulator as a command: prints a configuration to paste, then one line for each request,
//! until Ctrl-C.
//!
//! ```text
//! cargo run -p oss-emulator -- --bucket demo
//! ```

mod introduction;
mod options;
mod profiles;

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use oss_emulator::Emulator;
use tempfile::NamedTempFile;

use introduction::Introduction;
use options::{HELP, Options};

fn main() -> ExitCode {
    let options = match Options::parse(lexopt::Parser::from_env()) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print_line(&HELP.trim_end());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            print_error(&format!("{error}\nTry --help."));
            return ExitCode::from(2);
        }
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> io::Result<()> {
    let is_json = options.json;
    let (roles, oidc_providers) = (options.roles.clone(), options.oidc_providers.clone());
    let (ecs_role, has_credentials_uri) = (options.ecs_role.clone(), options.credentials_uri);
    let logins = options.logins;
    let config = options.config().with_observer(move |record| {
        if is_json {
            print_line(&record.to_json());
        } else {
            print_line(&introduction::request_line(record));
        }
    });
    let (region, port) = (config.region.clone(), config.port);
    let emulator = Emulator::start(config).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => error,
        kind => io::Error::new(kind, format!("cannot listen on 127.0.0.1:{port}: {error}")),
    })?;
    // Deleted when this value is dropped.
    let certificate = emulator.certificate_pem().map(temporary_file).transpose()?;
    let introduction = Introduction {
        profile_file: logins.file(&emulator.url(), &region),
        proxy: emulator.proxy_url(),
        url: emulator.url(),
        region,
        certificate: certificate.as_ref().map(NamedTempFile::path),
        roles,
        oidc_providers,
        metadata: ecs_role.map(|role| (role, emulator.metadata_url())),
        credentials_uri: has_credentials_uri.then(|| emulator.credentials_uri()),
    };
    if is_json {
        print_line(&introduction.to_json());
    } else {
        print_line(&introduction);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(wait_for_signal())
}

async fn wait_for_signal() -> io::Result<()> {
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

/// Prints to standard output. If that is closed, the emulator keeps serving.
fn print_line(line: &dyn Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn print_error(message: &dyn Display) {
    let _ = writeln!(io::stderr(), "oss-emulator: {message}");
}
