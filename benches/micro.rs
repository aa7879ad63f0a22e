//! Time and allocations of single operations: `cargo bench --bench micro`. With `-- --test` each runs
//! once.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "it fails by panicking"
)]

use divan::AllocProfiler;

mod parts;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// The parts without IO, in memory.
#[divan::bench(args = parts::ALL)]
fn part(bencher: divan::Bencher<'_, '_>, part: &parts::Part) {
    bencher.bench_local((part.prepare)());
}

/// Requests to the emulator over one connection.
mod client {
    use std::time::Duration;

    use oss_emulator::{Config, Emulator, EncryptionRule};
    use terraform_provider_oss::oss::{
        BucketName, CallOptions, Client, ClientConfig, Credentials, Endpoint, Region,
    };

    const KEYS: (&str, &str) = ("LTAI5tBENCHBENCHBENCHBEN", "BenchBenchBenchBench");

    /// Includes the time of the emulator, which runs on its own thread.
    #[divan::bench]
    fn get(bencher: divan::Bencher<'_, '_>) {
        let config = Config::default().with_credentials(KEYS.0, KEYS.1).with_bucket("my-bucket");
        let emulator = Emulator::start(config).unwrap();
        emulator.set_rule("my-bucket", EncryptionRule::new("AES256"));
        let client = Client::new(ClientConfig {
            region: Some(Region::parse("cn-hangzhou").unwrap()),
            endpoint: Some(Endpoint::parse(&emulator.url()).unwrap()),
            credentials: Some(Credentials::new(KEYS.0, KEYS.1).into()),
            ..ClientConfig::default()
        });
        let bucket = BucketName::parse("my-bucket").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        bencher.bench_local(|| {
            let call = CallOptions::with_timeout(Duration::from_mins(1));
            runtime.block_on(client.get_bucket_encryption(&bucket, &call)).unwrap()
        });
        assert_eq!(emulator.connections(), 1);
    }
}

/// The shipped binary as a process.
#[cfg(unix)]
mod process {
    use super::host::{Host, shipped_provider};

    #[divan::bench(max_time = 2)]
    fn start_to_line(bencher: divan::Bencher<'_, '_>) {
        let (host, binary) = (Host::new(), shipped_provider());
        bencher.bench_local(|| host.start(&binary));
    }

    /// TLS with both certificates, HTTP/2, and the schema.
    #[divan::bench(max_time = 2)]
    fn line_to_first_response(bencher: divan::Bencher<'_, '_>) {
        let (host, binary) = (Host::new(), shipped_provider());
        bencher
            .with_inputs(|| host.start(&binary))
            .bench_local_values(|started| host.connect(started));
    }
}

#[cfg(unix)]
#[allow(dead_code, reason = "the other benchmark uses all of it")]
mod host;
