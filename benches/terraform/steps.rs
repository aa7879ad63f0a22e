//! The commands, for every candidate.

use std::time::Duration;

use super::candidate::{Candidate, Run, STEPS, Step};
use super::install::Installation;
use super::options::Options;
use super::recorder::Usage;
use super::results::{Row, Spread};
use super::service::Service;

/// The index of the builtin resource among the candidates.
const BASELINE: usize = 0;

/// The runs of one step and one candidate.
#[derive(Default)]
struct Runs {
    timed: Vec<Run>,
    recorded: Vec<Run>,
}

/// Runs every step for every candidate, round by round, so that disturbances of the machine affect all of
/// them.
pub(crate) fn measure(
    candidates: &[Candidate],
    service: &Service,
    resources: usize,
    options: &Options,
) -> Vec<Row> {
    let is_measured = |candidate: &&Candidate| {
        candidate.provider.is_none()
            || candidate.installation == Installation::Mirror
            || resources <= options.few
    };
    let candidates: Vec<&Candidate> = candidates.iter().filter(is_measured).collect();
    let steps: Vec<&Step> = STEPS
        .iter()
        .filter(|step| match step.name {
            "plan" | "validate" => true,
            "update" | "adopt" => resources <= options.few,
            _ => resources <= options.many,
        })
        .collect();
    let mut runs: Vec<Vec<Runs>> =
        steps.iter().map(|_| candidates.iter().map(|_| Runs::default()).collect()).collect();
    let (timed, recorded) = (options.timed_rounds(resources), options.recorded_rounds(resources));
    for round in 0..timed + recorded {
        let is_recorded = round >= timed;
        let what = if is_recorded { "usage" } else { "time" };
        eprintln!("{resources} resources, {what}, round {} of {} …", round + 1, timed + recorded);
        for turn in 0..candidates.len() {
            // A different candidate starts each round.
            let index = (turn + round) % candidates.len();
            let candidate = candidates[index];
            // What is used does not depend on the installation.
            if is_recorded && !is_usage_recorded(candidate) {
                continue;
            }
            if resources <= options.many {
                service.remove_rules(resources);
            } else {
                candidate.seed(service, resources, &STEPS[0]);
            }
            for (step, runs) in steps.iter().zip(&mut runs) {
                if !step.has_state {
                    candidate.delete_state();
                }
                candidate.configure(resources, step.algorithm);
                let run = candidate.run(service, step.arguments, is_recorded);
                if candidate.is_this_provider() {
                    let calls: usize = run.calls.values().sum();
                    assert_eq!(calls, step.calls * resources, "{}: {:?}", step.name, run.calls);
                }
                let runs = &mut runs[index];
                if is_recorded { &mut runs.recorded } else { &mut runs.timed }.push(run);
            }
        }
    }
    let row = |(step, runs): (&&Step, &Vec<Runs>)| -> Vec<Row> {
        let rows = candidates.iter().zip(runs);
        rows.map(|(candidate, own)| row(resources, step, candidate, own, &runs[BASELINE])).collect()
    };
    steps.iter().zip(&runs).flat_map(row).collect()
}

fn is_usage_recorded(candidate: &Candidate) -> bool {
    candidate.provider.is_none() || candidate.installation == Installation::Mirror
}

fn row(resources: usize, step: &Step, candidate: &Candidate, own: &Runs, baseline: &Runs) -> Row {
    let seconds = |run: &Run| run.time.as_secs_f64();
    let pairs = || {
        let pairs = own.timed.iter().zip(&baseline.timed);
        pairs.map(|(own, baseline)| (seconds(own), seconds(baseline)))
    };
    let sum = |run: &Run, time: fn(&Usage) -> Duration| {
        run.processes.iter().map(time).sum::<Duration>().as_secs_f64()
    };
    let provider_cpu = |run: &Run| sum(run, |usage| usage.cpu);
    let terraform_cpu =
        |run: &Run| run.cpu.as_secs_f64() - sum(run, |usage| usage.cpu + usage.recorder_cpu);
    let peaks = own.recorded.iter().flat_map(|run| &run.processes).map(|usage| usage.peak_kib);
    let last = own.timed.last().expect("there is a round");
    Row {
        resources,
        step: step.name.to_owned(),
        candidate: candidate.name.clone(),
        installation: candidate.installation,
        seconds: Spread::of(own.timed.iter().map(seconds)),
        above_baseline: Spread::of(pairs().map(|(own, baseline)| own - baseline)),
        relative_to_baseline: Spread::of(pairs().map(|(own, baseline)| own / baseline)),
        processes: own.recorded.last().map_or(0, |run| run.processes.len()),
        provider_cpu_seconds: Spread::of(
            own.recorded.iter().filter(|run| !run.processes.is_empty()).map(provider_cpu),
        ),
        terraform_cpu_seconds: Spread::of(own.recorded.iter().map(terraform_cpu)),
        peak_memory_kib: peaks.max().unwrap_or_default(),
        calls: last.calls.clone(),
        connections: last.connections,
    }
}
