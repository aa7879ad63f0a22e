//! What is measured, in which order.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use std::{fs, thread};

use lexopt::prelude::*;
use oss_emulator::Fault;

use super::candidate::{Candidate, Run, STEPS, Service, Step};
use super::results::{Figures, Machine, Row, Slow, Spread, Start};
use super::host::{Host, shipped_provider};
use super::plot;
use super::recorder::Usage;

const HELP: &str = "\
Runs the real terraform with this provider, and with the builtin terraform_data, against a local
endpoint; prints what it took, and writes performance.json and performance.svg.

Usage: cargo bench --bench terraform -- [OPTIONS]

  --sizes 1,100,1000  How many resources. 1000 take some minutes. For more only validate and plan run.
  --runs N            How often each command runs at each size (default 5; twice as often for fewer
                      than 100 resources; what changes 1000 resources, and all for more, once)
  --out DIRECTORY     Where the files go (default docs)
  --draw              Only draw the plot again, from the file that is there
  --short             Only check that this benchmark works: few resources, few runs, and the files go
                      into a folder that is removed

Variables: TERRAFORM names the program; PROVIDER_BINARY a build of this provider;
PEER=\"address=directory,resource_type,configuration file\" puts another provider beside it: the file
has the blocks terraform and provider, and may declare and use the variable endpoint.";

struct Options {
    sizes: Vec<usize>,
    runs: usize,
    starts: usize,
    /// Resources, and parallelism.
    slow: Vec<(usize, usize)>,
    /// With so many resources a run can be clocked while it is recorded: starting a process more for each of the
    /// provider's takes some milliseconds. And creating, updating and removing them takes terraform minutes, so
    /// that it is done in one round, and not at all with more; the other rounds begin with a state that is made.
    /// No `resource` block has more.
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

/// None where only the help was asked for.
fn options(scratch: &Path) -> Result<Option<Options>, lexopt::Error> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
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
                // A size of each kind, the last one in several blocks.
                (options.sizes, options.many) = (vec![1, 8, 12], 8);
                (options.runs, options.starts, options.slow) = (1, 3, vec![(12, 10)]);
                options.out = scratch.into();
            }
            Long("draw") => options.only_draw = true,
            // What cargo itself adds.
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
        let figures = serde_json::from_slice(&json).unwrap();
        plot::draw(&figures, &options.out.join("performance.svg")).unwrap();
        return ExitCode::SUCCESS;
    }
    let figures = measure(&options);
    println!("\n{}", figures.to_tables());
    println!("written: performance.json and performance.svg in {}", options.out.display());
    ExitCode::SUCCESS
}

/// Writes what there is by now, so that breaking off does not lose it.
fn write(figures: &mut Figures, out: &Path) {
    figures.machine.load[1] = load();
    let json = serde_json::to_string_pretty(figures).unwrap();
    fs::write(out.join("performance.json"), json + "\n").unwrap();
    plot::draw(figures, &out.join("performance.svg")).unwrap();
}

fn measure(options: &Options) -> Figures {
    let binary = shipped_provider();
    let terraform = std::env::var_os("TERRAFORM").map_or_else(|| "terraform".into(), PathBuf::from);
    let version = Command::new(&terraform)
        .arg("version")
        .env("CHECKPOINT_DISABLE", "1")
        .output()
        .expect("terraform is needed, on the PATH or in the variable TERRAFORM");
    let version = String::from_utf8_lossy(&version.stdout).lines().next().unwrap().to_owned();
    // The floor comes first: the others are compared with it.
    let mut contenders = vec![Candidate::builtin(&terraform), Candidate::ours(&binary, &terraform)];
    if let Some(peer) = std::env::var_os("PEER") {
        let peer = peer.into_string().expect("PEER is text");
        contenders.push(Candidate::peer(&peer, &terraform).expect("PEER is as --help says"));
    }
    for contender in &mut contenders {
        contender.largest_block = options.many;
    }
    let slow = options.slow.iter().map(|(resources, _)| *resources);
    let most = options.sizes.iter().copied().chain(slow).max().unwrap_or(1);
    let service = Service::start(most);
    let mut figures = Figures {
        machine: machine(),
        terraform: version,
        binary_bytes: fs::metadata(&binary).unwrap().len(),
        start: measure_start(&binary, options.starts),
        runs: Vec::new(),
        slow_service: Vec::new(),
    };
    for &(resources, parallelism) in &options.slow {
        // A few delays more or less are small beside many.
        let rounds = if resources < options.many { options.runs.min(3) } else { 1 };
        let slow = measure_slow(&contenders[OURS], &service, resources, parallelism, rounds);
        figures.slow_service.push(slow);
    }
    for &resources in &options.sizes {
        figures.runs.extend(measure_steps(&contenders, &service, resources, options));
        write(&mut figures, &options.out);
    }
    figures
}

fn measure_start(binary: &Path, count: usize) -> Start {
    eprintln!("{count} starts …");
    let host = Host::new();
    let times = (0..count).map(|_| {
        let since = Instant::now();
        let started = host.start(binary);
        let to_line = since.elapsed();
        let connected = host.connect(started);
        let to_answer = since.elapsed();
        drop(connected);
        (milliseconds(to_line), milliseconds(to_answer))
    });
    let (lines, answers): (Vec<f64>, Vec<f64>) = times.unzip();
    Start { to_line: Spread::of(lines), to_first_answer: Spread::of(answers) }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Which of the contenders terraform itself is, which all are compared with, and which one this provider.
const FLOOR: usize = 0;
const OURS: usize = 1;

/// Every step for every contender, round after round, so that what disturbs the machine disturbs all of
/// them. Few resources are clocked and recorded in turn.
fn measure_steps(
    contenders: &[Candidate],
    service: &Service,
    resources: usize,
    options: &Options,
) -> Vec<Row> {
    let (rounds, many) = (options.runs_for(resources), options.many);
    // By step and contender, one of each round.
    let none = || (0..STEPS.len() * contenders.len()).map(|_| Vec::new()).collect();
    let (mut clocked, mut recorded): (Vec<Vec<Run>>, Vec<Vec<Run>>) = (none(), none());
    let [create, ..] = &STEPS;
    for round in 0..rounds {
        eprintln!("{resources} resources, round {} of {rounds} …", round + 1);
        let is_whole_life = resources < many || (resources == many && round == 0);
        let is_run = |step: &Step| is_whole_life || ["plan", "validate"].contains(&step.name);
        let turns: &[bool] = if resources < many { &[false, true] } else { &[true] };
        for &is_recorded in turns {
            for who in 0..contenders.len() {
                // Another one begins each time.
                let who = (who + round) % contenders.len();
                if is_whole_life {
                    contenders[who].forget();
                } else {
                    contenders[who].seed(service, resources, create);
                }
                for (number, step) in STEPS.iter().enumerate().filter(|(_, step)| is_run(step)) {
                    contenders[who].configure(resources, step.algorithm);
                    let run = contenders[who].run(service, step.arguments, is_recorded);
                    if who == OURS {
                        let calls: usize = run.calls.values().sum();
                        assert_eq!(calls, step.calls * resources, "{}: {:?}", step.name, run.calls);
                    }
                    let kept = if is_recorded { &mut recorded } else { &mut clocked };
                    kept[number * contenders.len() + who].push(run);
                }
            }
        }
    }
    let clocked = if resources < many { &clocked } else { &recorded };
    let indices =
        (0..STEPS.len()).flat_map(|step| (0..contenders.len()).map(move |who| (step, who)));
    let row = |(step, who): (usize, usize)| {
        let index = step * contenders.len();
        let (floor, own) = (&clocked[index + FLOOR], &clocked[index + who]);
        let recorded = &recorded[index + who];
        let seconds = |run: &Run| run.time.as_secs_f64();
        let pairs = || own.iter().zip(floor).map(|(own, floor)| (seconds(own), seconds(floor)));
        let sum = |run: &Run, time: fn(&Usage) -> Duration| {
            run.processes.iter().map(time).sum::<Duration>().as_secs_f64()
        };
        let provider_cpu = |run: &Run| sum(run, |usage| usage.cpu);
        let terraform_cpu =
            |run: &Run| run.cpu.as_secs_f64() - sum(run, |usage| usage.cpu + usage.asking);
        let peaks = recorded.iter().flat_map(|run| &run.processes).map(|usage| usage.peak_kib);
        let last = recorded.last().expect("there is a round");
        Row {
            resources,
            step: STEPS[step].name.to_owned(),
            who: contenders[who].name.clone(),
            seconds: Spread::of(own.iter().map(seconds)),
            beyond_floor: Spread::of(pairs().map(|(own, floor)| own - floor)),
            times_floor: Spread::of(pairs().map(|(own, floor)| own / floor)),
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
    indices.filter(|(step, _)| !clocked[step * contenders.len()].is_empty()).map(row).collect()
}

/// Plans with and without a delay of every answer.
fn measure_slow(
    contender: &Candidate,
    service: &Service,
    resources: usize,
    parallelism: usize,
    rounds: usize,
) -> Slow {
    eprintln!("a slow service, {resources} resources, {parallelism} at once …");
    let delay = Duration::from_millis(100);
    let [create, plan, ..] = &STEPS;
    contender.seed(service, resources, create);
    contender.configure(resources, plan.algorithm);
    let parallel = format!("-parallelism={parallelism}");
    let arguments = [plan.arguments, &[parallel.as_str()]].concat();
    let mut connections = 0;
    let longer = (0..rounds).map(|_| {
        let quick = contender.run(service, &arguments, false);
        service.emulator.inject(Fault::delay(delay).forever());
        let slow = contender.run(service, &arguments, false);
        service.emulator.clear_faults();
        connections = slow.connections;
        slow.time.as_secs_f64() - quick.time.as_secs_f64()
    });
    let longer = Spread::of(longer);
    let turns = u32::try_from(resources.div_ceil(parallelism)).unwrap();
    Slow {
        resources,
        delay_ms: 100,
        parallelism,
        ideal_seconds: (delay * turns).as_secs_f64(),
        longer,
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
