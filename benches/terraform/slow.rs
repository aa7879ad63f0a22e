//! A service that delays every response.

use std::time::Duration;

use oss_emulator::Fault;

use super::candidate::{Candidate, STEPS};
use super::results::{Slow, Spread};
use super::service::Service;

/// Plans with and without a delay of every response.
pub(crate) fn measure(
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
