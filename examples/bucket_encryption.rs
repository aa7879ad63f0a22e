//! The three operations of the OSS client: sets a bucket's encryption rule, reads it, and deletes it.
//!
//! Without arguments it starts a local OSS emulator, so it needs no account:
//!
//! ```text
//! cargo run --example bucket_encryption
//! ```
//!
//! With `--bucket` it calls OSS, with the credentials in `OSS_ACCESS_KEY_ID` and `OSS_ACCESS_KEY_SECRET`
//! (and `OSS_SESSION_TOKEN` for temporary ones). The bucket's encryption rule is deleted at the end!
//!
//! ```text
//! cargo run --example bucket_encryption -- --bucket my-bucket --region cn-hangzhou
//! ```

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use oss_emulator::{Config, Emulator};
use terraform_provider_oss::oss::{
    BucketName, CallOptions, Client, ClientConfig, Credentials, EncryptionRule, Endpoint, Region,
    SseAlgorithm,
};

const USAGE: &str = "Usage: cargo run --example bucket_encryption -- [--bucket NAME --region REGION [--endpoint URL]]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match target() {
        Ok((bucket, config, _local)) => walk_through(&bucket, config).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

async fn walk_through(bucket: &BucketName, config: ClientConfig) -> Result<(), Box<dyn Error>> {
    let client = Client::new(config);
    let call = CallOptions::with_timeout(Duration::from_mins(1));
    let mut out = io::stdout().lock();

    // Sets the default encryption, which applies to objects uploaded without encryption headers. With
    // KMS, a key ID can be set.
    let rule = EncryptionRule {
        sse_algorithm: SseAlgorithm::Aes256,
        kms_master_key_id: None,
        kms_data_encryption: None,
    };
    let response = client.put_bucket_encryption(bucket, &rule, &call).await?;
    writeln!(out, "http status: {}", response.status)?;

    let rule = client.get_bucket_encryption(bucket, &call).await?;
    writeln!(out, "ssealgorithm: {}", rule.sse_algorithm)?;
    writeln!(out, "kmsmasterkeyid: {}", rule.kms_master_key_id.as_deref().unwrap_or("None"))?;

    let response = client.delete_bucket_encryption(bucket, &call).await?;
    writeln!(out, "http status: {}", response.status)?;
    Ok(())
}

/// The bucket and the client's configuration, with the emulator if there are no arguments.
fn target() -> Result<(BucketName, ClientConfig, Option<Emulator>), Box<dyn Error>> {
    use lexopt::prelude::{Long, ValueExt as _};

    let (mut bucket, mut region, mut endpoint) = (None, None, None);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("bucket") => bucket = Some(arguments.value()?.string()?),
            Long("region") => region = Some(arguments.value()?.string()?),
            Long("endpoint") => endpoint = Some(arguments.value()?.string()?),
            unknown => return Err(format!("{}\n{USAGE}", unknown.unexpected()).into()),
        }
    }
    let Some(bucket) = bucket else {
        if region.is_some() || endpoint.is_some() {
            return Err(format!("--bucket is missing\n{USAGE}").into());
        }
        return local();
    };
    let variable = |name: &str| std::env::var_os(name).and_then(|value| value.into_string().ok());
    let key = |name: &str| variable(name).ok_or_else(|| format!("{name} is not set"));
    let mut credentials =
        Credentials::new(key("OSS_ACCESS_KEY_ID")?, key("OSS_ACCESS_KEY_SECRET")?);
    if let Some(token) = variable("OSS_SESSION_TOKEN") {
        credentials = credentials.with_security_token(token);
    }
    let config = ClientConfig {
        region: region.as_deref().map(Region::parse).transpose()?,
        endpoint: endpoint.as_deref().map(Endpoint::parse).transpose()?,
        credentials: Some(credentials.into()),
        ..ClientConfig::default()
    };
    Ok((BucketName::parse(&bucket)?, config, None))
}

/// An emulator with a bucket, and credentials for it.
fn local() -> Result<(BucketName, ClientConfig, Option<Emulator>), Box<dyn Error>> {
    let (id, secret) = ("LTAI5tLOCALLOCALLOCAL001", "LocalSecretThatOpensNothing");
    let emulator =
        Emulator::start(Config::default().with_credentials(id, secret).with_bucket("demo"))?;
    let config = ClientConfig {
        region: Some(Region::parse("cn-hangzhou")?),
        endpoint: Some(Endpoint::parse(&emulator.url())?),
        credentials: Some(Credentials::new(id, secret).into()),
        ..ClientConfig::default()
    };
    Ok((BucketName::parse("demo")?, config, Some(emulator)))
}
