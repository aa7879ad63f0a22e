//! The measurements, and their order.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use std::{fs, thread};

use lexopt::prelude::*;
use oss_emulator::Fault;

use super::candidate::{Candidate, Run, STEPS, Service, Step};
use super::host::{Host, shipped_provider};
use super::plot;
use super::recorder::Usage;
use super::results::{Machine, Results, Row, Slow, Spread, Start};

const HELP: &str = "\
Measures the real terraform with this provider and with the builtin terraform_data, against the local
OSS emulator. Prints the results, and writes performance.json and performance.svg.

Usage: cargo bench --bench terraform -- [OPTIONS]

  --sizes 1,100,1000  Numbers of resources. 1000 take some minutes. More only run validate and plan.
  --runs N            Runs of each command at each size (default 5; twice as many below 100 resources;
                      one for changes of 1000 resources, and for everything above)
  --out DIRECTORY     Output directory (default docs)
  --draw              Only draw the plot again, from the existing performance.json
  --short             Only check that this benchmark works: few resources, few runs, and temporary
                      output files

Environment variables: TERRAFORM is the terraform executable; PROVIDER_BINARY a build of this
provider; PEER=\"address=directory,resource_type,configuration file\" adds another provider: the file
has the blocks terraform and provider, and can declare and use the variable endpoint.";

struct Options {
    sizes: Vec<usize>,
    runs: usize,
    starts: usize,
    /// Numbers of resources, and parallelism.
    slow: Vec<(usize, usize)>,
    /// From this number of resources on, runs are timed and recorded together, because the additional
    /// processes of the recorder do not matter. Create, update and destroy, which take minutes, are
    /// measured in one round only, and above this number not at all; other rounds start with a
    /// generated state. Also the maximum size of a `resource` block.
    many: usize,
    out: PathBuf,
    only_draw: bool,
}

impl Options {
    fn runs_for(&self, resources: usize) -> usize {
        match resources {
            0..100 if self.runs > 1 => self.runs * 2,
            _ if resources <= self.many => self.runs,
            _ => 1,
        }
    }
}

/// Parses the command line. Returns `None` for `--help`.
fn options(scratch: &Path) -> Result<Option<Options>, lexopt::Error> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut options = Options {
        sizes: vec![1, 100, 1000],
        runs: 5,
        starts: 100,
        slow: vec![(100, 10), (100, 50), (1000, 10)],
        many: 1000,
        out: docs,
        only_draw: false,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("sizes") => {
                let text = parser.value()?.string()?;
                let sizes = text.split(',').map(|size| OsString::from(size).parse());
                options.sizes = sizes.collect::<Result<_, _>>()?;
            }
            Long("runs") => options.runs = parser.value()?.parse()?,
            Long("out") => options.out = PathBuf::from(parser.value()?),
            Long("short") => {
                // One size of each kind; the last one needs several blocks.
                (options.sizes, options.many) = (vec![1, 8, 12], 8);
                (options.runs, options.starts, options.slow) = (1, 3, vec![(12, 10)]);
                options.out = scratch.into();
            }
            Long("draw") => options.only_draw = true,
            // Added by cargo.
            Long("bench") => {}
            Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

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
        let json = fs::read(options.out.join("performance.json")).unwrap();
        let results = serde_json::from_slice(&json).unwrap();
        plot::draw(&results, &options.out.join("performance.svg")).unwrap();
        return ExitCode::SUCCESS;
    }
    let results = measure(&options);
    println!("\n{}", results.to_tables());
    println!("written: performance.json and performance.svg in {}", options.out.display());
    ExitCode::SUCCESS
}

/// Writes the results so far, so that aborting does not lose them.
fn write(results: &mut Results, out: &Path) {
    results.machine.load[1] = load();
    let json = serde_json::to_string_pretty(results).unwrap();
    fs::write(out.join("performance.json"), json + "\n").unwrap();
    plot::draw(results, &out.join("performance.svg")).unwrap();
}

fn measure(options: &Options) -> Results {
    let binary = shipped_provider();
    let terraform = std::env::var_os("TERRAFORM").map_or_else(|| "terraform".into(), PathBuf::from);
    let version = Command::new(&terraform)
        .arg("version")
        .env("CHECKPOINT_DISABLE", "1")
        .output()
        .expect("terraform is required, on the PATH or in the variable TERRAFORM");
    let version = String::from_utf8_lossy(&version.stdout).lines().next().unwrap().to_owned();
    // In the order of BASELINE and THIS_PROVIDER.
    let mut candidates =
        vec![Candidate::builtin(&terraform), Candidate::this_provider(&binary, &terraform)];
    if let Some(peer) = std::env::var_os("PEER") {
        let peer = peer.into_string().expect("PEER is text");
        candidates.push(Candidate::peer(&peer, &terraform).expect("PEER is as --help says"));
    }
    for candidate in &mut candidates {
        candidate.largest_block = options.many;
    }
    let slow = options.slow.iter().map(|(resources, _)| *resources);
    let most = options.sizes.iter().copied().chain(slow).max().unwrap_or(1);
    let service = Service::start(most);
    let mut results = Results {
        machine: machine(),
        terraform: version,
        binary_bytes: fs::metadata(&binary).unwrap().len(),
        start: measure_start(&binary, options.starts),
        runs: Vec::new(),
        slow_service: Vec::new(),
    };
    for &(resources, parallelism) in &options.slow {
        // With many resources the total delay hardly varies.
        let rounds = if resources < options.many { options.runs.min(3) } else { 1 };
        let slow =
            measure_slow(&candidates[THIS_PROVIDER], &service, resources, parallelism, rounds);
        results.slow_service.push(slow);
    }
    for &resources in &options.sizes {
        results.runs.extend(measure_steps(&candidates, &service, resources, options));
        write(&mut results, &options.out);
    }
    results
}

fn measure_start(binary: &Path, count: usize) -> Start {
    eprintln!("{count} starts …");
    let host = Host::new();
    let times = (0..count).map(|_| {
        let since = Instant::now();
        let started = host.start(binary);
        let to_handshake_line = since.elapsed();
        let connected = host.connect(started);
        let to_first_response = since.elapsed();
        drop(connected);
        (milliseconds(to_handshake_line), milliseconds(to_first_response))
    });
    let (lines, responses): (Vec<f64>, Vec<f64>) = times.unzip();
    Start { to_handshake_line: Spread::of(lines), to_first_response: Spread::of(responses) }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The indices of the builtin resource and of this provider among the candidates.
const BASELINE: usize = 0;
const THIS_PROVIDER: usize = 1;

/// Runs every step for every candidate, round by round, so that disturbances of the machine affect all of
/// them. With few resources, timed and recorded runs alternate.
fn measure_steps(
    candidates: &[Candidate],
    service: &Service,
    resources: usize,
    options: &Options,
) -> Vec<Row> {
    let (rounds, many) = (options.runs_for(resources), options.many);
    // By step and candidate, one run per round.
    let none = || (0..STEPS.len() * candidates.len()).map(|_| Vec::new()).collect();
    let (mut timed, mut recorded): (Vec<Vec<Run>>, Vec<Vec<Run>>) = (none(), none());
    let [create, ..] = &STEPS;
    for round in 0..rounds {
        eprintln!("{resources} resources, round {} of {rounds} …", round + 1);
        let runs_all_steps = resources < many || (resources == many && round == 0);
        let is_run = |step: &Step| runs_all_steps || ["plan", "validate"].contains(&step.name);
        let turns: &[bool] = if resources < many { &[false, true] } else { &[true] };
        for &is_recorded in turns {
            for candidate in 0..candidates.len() {
                // A different candidate starts each round.
                let candidate = (candidate + round) % candidates.len();
                if runs_all_steps {
                    candidates[candidate].delete_state();
                } else {
                    candidates[candidate].seed(service, resources, create);
                }
                for (number, step) in STEPS.iter().enumerate().filter(|(_, step)| is_run(step)) {
                    candidates[candidate].configure(resources, step.algorithm);
                    let run = candidates[candidate].run(service, step.arguments, is_recorded);
                    if candidate == THIS_PROVIDER {
                        let calls: usize = run.calls.values().sum();
                        assert_eq!(calls, step.calls * resources, "{}: {:?}", step.name, run.calls);
                    }
                    let runs = if is_recorded { &mut recorded } else { &mut timed };
                    runs[number * candidates.len() + candidate].push(run);
                }
            }
        }
    }
    let timed = if resources < many { &timed } else { &recorded };
    let indices = (0..STEPS.len())
        .flat_map(|step| (0..candidates.len()).map(move |candidate| (step, candidate)));
    let row = |(step, candidate): (usize, usize)| {
        let index = step * candidates.len();
        let (baseline, own) = (&timed[index + BASELINE], &timed[index + candidate]);
        let recorded = &recorded[index + candidate];
        let seconds = |run: &Run| run.time.as_secs_f64();
        let pairs =
            || own.iter().zip(baseline).map(|(own, baseline)| (seconds(own), seconds(baseline)));
        let sum = |run: &Run, time: fn(&Usage) -> Duration| {
            run.processes.iter().map(time).sum::<Duration>().as_secs_f64()
        };
        let provider_cpu = |run: &Run| sum(run, |usage| usage.cpu);
        let terraform_cpu =
            |run: &Run| run.cpu.as_secs_f64() - sum(run, |usage| usage.cpu + usage.recorder_cpu);
        let peaks = recorded.iter().flat_map(|run| &run.processes).map(|usage| usage.peak_kib);
        let last = recorded.last().expect("there is a round");
        Row {
            resources,
            step: STEPS[step].name.to_owned(),
            resource_type: candidates[candidate].name.clone(),
            seconds: Spread::of(own.iter().map(seconds)),
            above_baseline: Spread::of(pairs().map(|(own, baseline)| own - baseline)),
            relative_to_baseline: Spread::of(pairs().map(|(own, baseline)| own / baseline)),
            processes: last.processes.len(),
            provider_cpu_seconds: Spread::of(
                recorded.iter().filter(|run| !run.processes.is_empty()).map(provider_cpu),
            ),
            terraform_cpu_seconds: Spread::of(recorded.iter().map(terraform_cpu)),
            peak_memory_kib: peaks.max().unwrap_or_default(),
            calls: last.calls.clone(),
            connections: last.connections,
        }
    };
    indices.filter(|(step, _)| !timed[step * candidates.len()].is_empty()).map(row).collect()
}

/// Plans with and without a delay of every response.
fn measure_slow(
    candidate: &Candidate,
    service: &Service,
    resources: usize,
    parallelism: usize,
    rounds: usize,
) -> Slow {
    eprintln!("slow service, {resources} resources, parallelism {parallelism} …");
    let delay = Duration::from_millis(100);
    let [create, plan, ..] = &STEPS;
    candidate.seed(service, resources, create);
    candidate.configure(resources, plan.algorithm);
    let parallel = format!("-parallelism={parallelism}");
    let arguments = [plan.arguments, &[parallel.as_str()]].concat();
    let mut connections = 0;
    let additional_seconds = (0..rounds).map(|_| {
        let quick = candidate.run(service, &arguments, false);
        service.emulator.inject(Fault::delay(delay).forever());
        let slow = candidate.run(service, &arguments, false);
        service.emulator.clear_faults();
        connections = slow.connections;
        slow.time.as_secs_f64() - quick.time.as_secs_f64()
    });
    let additional_seconds = Spread::of(additional_seconds);
    let turns = u32::try_from(resources.div_ceil(parallelism)).unwrap();
    Slow {
        resources,
        delay_ms: 100,
        parallelism,
        ideal_seconds: (delay * turns).as_secs_f64(),
        additional_seconds,
        connections,
    }
}

fn machine() -> Machine {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
        line.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let memory = field("/proc/meminfo", "MemTotal");
    let kib: u64 = memory.split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or_default();
    Machine {
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        cpu: field("/proc/cpuinfo", "model name"),
        cores: thread::available_parallelism().map_or(0, usize::from),
        memory_gib: (kib + (1 << 19)) >> 20,
        load: [load(), load()],
    }
}

/// The load average of the last minute.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
