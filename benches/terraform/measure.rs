//! The measurements, and their order.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use super::candidate::Candidate;
use super::host::{Host, shipped_provider};
use super::install::Installation;
use super::machine::{load, machine};
use super::options::{HELP, Options, docs, options};
use super::provider::Provider;
use super::results::{Results, Spread, Start};
use super::service::Service;
use super::{bare, compare, exchange, list, page, plot, slow, steps, tables};

pub(crate) fn main() -> ExitCode {
    let scratch = tempfile::tempdir().unwrap();
    let options = match options(scratch.path()) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    if options.only_draw {
        let results = read(&options.out).unwrap();
        plot::draw(&results, &options.out.join("performance.svg")).unwrap();
        page::write(&results, &options.out.join("performance.md"));
        return ExitCode::SUCCESS;
    }
    let before = read(&docs()).unwrap();
    let results = measure(&options, scratch.path());
    println!("\n{}", tables::of(&results));
    println!("{}", compare::table(&before, &results));
    let page = options.out.join("performance.md");
    if page.exists() {
        page::write(&results, &page);
    } else {
        println!("{}", page::figures(&results));
    }
    println!("written: performance.json and performance.svg in {}", options.out.display());
    ExitCode::SUCCESS
}

fn read(directory: &Path) -> serde_json::Result<Results> {
    serde_json::from_slice(&fs::read(directory.join("performance.json")).unwrap())
}

/// Writes the results so far, so that aborting does not lose them.
fn write(results: &mut Results, out: &Path) {
    results.machine.load[1] = load();
    let json = serde_json::to_string_pretty(results).unwrap();
    fs::write(out.join("performance.json"), json + "\n").unwrap();
    plot::draw(results, &out.join("performance.svg")).unwrap();
}

fn measure(options: &Options, scratch: &Path) -> Results {
    let binary = shipped_provider();
    let terraform = std::env::var_os("TERRAFORM").map_or_else(|| "terraform".into(), PathBuf::from);
    let version = Command::new(&terraform)
        .arg("version")
        .env("CHECKPOINT_DISABLE", "1")
        .output()
        .expect("terraform is required, on the PATH or in the variable TERRAFORM");
    let version = String::from_utf8_lossy(&version.stdout).lines().next().unwrap().to_owned();
    let host = Host::new();
    bare::prepare(scratch, &host, &binary);
    let this = Provider::this("oss_bucket_encryption", &binary);
    let bare = Provider::bare(scratch);
    let mut providers = vec![
        (
            this.clone(),
            vec![Installation::Mirror, Installation::MirrorWithCache, Installation::DevOverrides],
        ),
        (bare.clone(), vec![Installation::Mirror, Installation::DevOverrides]),
    ];
    let peers = peers();
    for peer in &peers {
        providers.push((peer.clone(), vec![Installation::Mirror, Installation::DevOverrides]));
    }
    let candidate = |provider: Option<Provider>, installation: Installation| {
        Candidate::new(provider, installation, &terraform, options.few)
    };
    let mut candidates = vec![candidate(None, Installation::default())];
    for (provider, installations) in providers {
        let provider = || Some(provider.clone());
        candidates.extend(installations.into_iter().map(|way| candidate(provider(), way)));
    }
    let slow = options.slow.iter().map(|(resources, _)| *resources);
    let most = options.sizes.iter().copied().chain(slow).max().unwrap_or(1);
    let service = Service::start(most);
    let [start, bare_start] = measure_starts(&host, [&this, &bare], options.starts);
    let size = |provider: &Provider| fs::metadata(&provider.binary).unwrap().len();
    let mut results = Results {
        machine: machine(),
        terraform: version,
        binary_bytes: size(&this),
        peer_bytes: peers.iter().map(|peer| (peer.name.clone(), size(peer))).collect(),
        start,
        bare_start,
        exchange: Some(exchange::measure(scratch)),
        lists: list::measure(&host, &binary, options.listed),
        runs: Vec::new(),
        slow_service: Vec::new(),
    };
    let this = candidates.iter().find(|candidate| candidate.is_this_provider()).unwrap();
    for &(resources, parallelism) in &options.slow {
        // With many resources the total delay hardly varies.
        let rounds = if resources <= options.few { options.runs.min(3) } else { 1 };
        results.slow_service.push(slow::measure(this, &service, resources, parallelism, rounds));
    }
    for &resources in &options.sizes {
        results.runs.extend(steps::measure(&candidates, &service, resources, options));
        write(&mut results, &options.out);
    }
    results
}

/// The providers in the variable `PEERS`.
fn peers() -> Vec<Provider> {
    let text = std::env::var_os("PEERS").unwrap_or_default();
    let text = text.into_string().expect("PEERS is text");
    let peers = text.split(',').filter(|peer| !peer.is_empty());
    let parse = |peer: &str| {
        Provider::peer(peer).unwrap_or_else(|| panic!("PEERS is not as --help says: {peer}"))
    };
    peers.map(parse).collect()
}

/// Starts both this many times, in turn. Providers in Go speak another version of the protocol, with certificates that
/// `rustls` rejects.
fn measure_starts(host: &Host, providers: [&Provider; 2], count: usize) -> [Start; 2] {
    eprintln!("{count} starts of this provider and of the bare plugin …");
    let mut times = [(Vec::new(), Vec::new()), (Vec::new(), Vec::new())];
    for _ in 0..count {
        for (provider, (lines, responses)) in providers.iter().zip(&mut times) {
            let mut command = Command::new(&provider.binary);
            command.env_clear().envs(provider.variables.iter().cloned());
            let since = Instant::now();
            let started = host.start_command(&mut command);
            lines.push(milliseconds(since.elapsed()));
            let connected = host.connect(started);
            responses.push(milliseconds(since.elapsed()));
            drop(connected);
        }
    }
    let start = |(lines, responses): (Vec<f64>, Vec<f64>)| Start {
        to_handshake_line: Spread::of(lines),
        to_first_response: Spread::of(responses),
    };
    times.map(start)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
