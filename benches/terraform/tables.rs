//! The results as Markdown tables.

use std::fmt::Write as _;

use super::install::Installation;
use super::results::{Machine, Results, Row, Spread, mb};

/// All results.
pub(crate) fn of(results: &Results) -> String {
    let mut text = summary(results);
    text.push_str(&runs(results));
    text.push_str(&shares(results));
    text.push_str(&limits(results));
    text.push_str(&slow_service(results));
    text
}

fn summary(results: &Results) -> String {
    let Machine { system, cpu, cores, memory_gib, load } = &results.machine;
    let mut text = format!(
        "{cores} cores of {cpu}, {memory_gib} GiB, {system}, load average {} before and {} after; {}\n\n\
         binary: {} bytes\n",
        load[0], load[1], results.terraform, results.binary_bytes,
    );
    for (name, bytes) in &results.peer_bytes {
        let _ = writeln!(text, "{name}: {bytes} bytes");
    }
    text
}

/// One line for each command, size and candidate.
fn runs(results: &Results) -> String {
    let mut text = String::from(
        "\n| resources | step | candidate | installation | seconds | above the baseline | relative to the \
         baseline | processes | provider CPU s | terraform CPU s | peak memory MB | HTTP requests | connections |\n\
         |--:|---|---|---|---|---|---|--:|---|---|--:|---|--:|\n",
    );
    for row in &results.runs {
        let calls: Vec<String> =
            row.calls.iter().map(|(what, count)| format!("{count} {what}")).collect();
        let memory = match row.peak_memory_kib {
            0 => "-".to_owned(),
            kib => format!("{:.1}", mb(kib)),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {memory} | {} | {} |",
            row.resources,
            row.step,
            row.candidate,
            row.installation,
            row.seconds.with(3),
            row.above_baseline.with(3),
            row.relative_to_baseline.with(2),
            row.processes,
            row.provider_cpu_seconds.with(3),
            row.terraform_cpu_seconds.with(2),
            calls.join(", "),
            row.connections,
        );
    }
    text
}

/// This provider's time beyond the baseline, divided by that of each other one with the same installation.
fn shares(results: &Results) -> String {
    let [_, this, ..] = names(results)[..] else { return String::new() };
    let mut text = format!(
        "\n| resources | step | installation | other | {this} above the baseline, s | other, s | share |\n\
         |--:|---|---|---|--:|--:|--:|\n"
    );
    let others = results.runs.iter().filter(|row| ![BASELINE, this].contains(&&*row.candidate));
    for other in others.filter(|row| has_counterpart(&row.candidate, &row.step)) {
        let is_same = |row: &&Row| row.candidate == this && is_comparable(row, other);
        let Some(own) = results.runs.iter().find(is_same) else { continue };
        let (own, others) = (own.above_baseline.median, other.above_baseline.median);
        let Row { resources, step, installation, candidate, .. } = other;
        let _ = writeln!(
            text,
            "| {resources} | {step} | {installation} | {candidate} | {own:.3} | {others:.3} | {:.2} |",
            own / others,
        );
    }
    text
}

const BASELINE: &str = "terraform_data";

/// Whether a command does the same with this candidate as with this provider: an update of the null provider's
/// resource replaces it.
pub(crate) fn has_counterpart(candidate: &str, step: &str) -> bool {
    !(candidate.starts_with("null") && step == "update")
}

/// The names of the candidates, in the order in which they were measured.
pub(crate) fn names(results: &Results) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for row in &results.runs {
        if !names.contains(&&*row.candidate) {
            names.push(&row.candidate);
        }
    }
    names
}

fn is_comparable(one: &Row, other: &Row) -> bool {
    one.resources == other.resources
        && one.step == other.step
        && one.installation == other.installation
}

/// Each figure next to its limit.
pub(crate) fn limits(results: &Results) -> String {
    let mut text = String::from("\n| result | measured | limit |\n|---|---|---|\n");
    let mut line = |what: &str, measured: String, limit: String| {
        let _ = writeln!(text, "| {what} | {measured} | {limit} |");
    };
    let ms = |spread: Spread| format!("{} ms", spread.with(2));
    line(
        "process start to handshake line; bare plugin",
        ms(results.start.to_handshake_line),
        ms(results.bare_start.to_handshake_line),
    );
    line(
        "process start to first response, with mutual TLS; bare plugin",
        ms(results.start.to_first_response),
        ms(results.bare_start.to_first_response),
    );
    if let Some(exchange) = &results.exchange {
        let limit = format!("{}; with TLS {}", ms(exchange.plain), ms(exchange.tls));
        for (resources, cpu) in cpu_per_resource(results) {
            let what = format!("provider CPU for each of {resources} resources; bare loop");
            line(&what, format!("{cpu:.3} ms"), limit.clone());
        }
    }
    for list in &results.lists {
        let times = list.seconds.median / list.bare_seconds.median;
        let what =
            format!("{} of {} buckets; bare loop with as many requests", list.what, list.buckets);
        let measured = format!(
            "{} s, {times:.2} times the limit, {} requests, {} connections, {:.1} MB",
            list.seconds.with(2),
            list.requests,
            list.connections,
            mb(list.peak_memory_kib),
        );
        line(&what, measured, format!("{} s", list.bare_seconds.with(2)));
    }
    text
}

/// The CPU time of a plan by the number of resources, beyond that of a plan of one, in milliseconds.
pub(crate) fn cpu_per_resource(results: &Results) -> Vec<(usize, f64)> {
    let [_, this, ..] = names(results)[..] else { return Vec::new() };
    let plans = results.runs.iter().filter(|row| {
        row.candidate == this && row.step == "plan" && row.installation == Installation::Mirror
    });
    let mut plans = plans.map(|row| (row.resources, row.provider_cpu_seconds.median * 1000.0));
    let Some((fewest, least)) = plans.next() else { return Vec::new() };
    plans.map(|(resources, cpu)| (resources, (cpu - least) / count(resources - fewest))).collect()
}

pub(crate) fn slow_service(results: &Results) -> String {
    let mut text = String::from(
        "\n| resources | delay per response | parallelism | delays alone | additional time | connections |\n\
         |--:|---|--:|---|---|--:|\n",
    );
    for slow in &results.slow_service {
        let _ = writeln!(
            text,
            "| {} | {} ms | {} | {:.2} s | {} s | {} |",
            slow.resources,
            slow.delay_ms,
            slow.parallelism,
            slow.ideal_seconds,
            slow.additional_seconds.with(2),
            slow.connections,
        );
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "less than 2^52")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}
