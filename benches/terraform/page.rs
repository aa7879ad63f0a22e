//! The figures in `docs/performance.md`, between two comments.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::install::Installation;
use super::results::{Machine, Results, Row, mb};
use super::tables;

const START: &str = "<!-- Written by the benchmark: start -->\n";
const END: &str = "<!-- Written by the benchmark: end -->\n";

/// Replaces the figures of a page.
pub(crate) fn write(results: &Results, page: &Path) {
    let text = fs::read_to_string(page).unwrap();
    let (before, rest) = text.split_once(START).expect("the page has the first comment");
    let (_, after) = rest.split_once(END).expect("the page has the second comment");
    fs::write(page, format!("{before}{START}{}{END}{after}", figures(results))).unwrap();
}

/// What the page shows of the results.
pub(crate) fn figures(results: &Results) -> String {
    let Machine { system, cpu, cores, memory_gib, load } = &results.machine;
    let mut text = format!(
        "\nThe machine: {cores} cores of {cpu}, {memory_gib} GiB, {system}, load average {} before; {}. The binary of \
         this provider has {} bytes",
        load[0], results.terraform, results.binary_bytes,
    );
    for (name, bytes) in &results.peer_bytes {
        let _ = write!(text, ", that of {name} {bytes}");
    }
    text.push_str(".\n");
    targets(results, &mut text);
    beyond(results, &mut text);
    text.push_str("\n### Compared with the limit\n");
    text.push_str(&tables::limits(results));
    usage(results, &mut text);
    installations(results, &mut text);
    text.push_str("\n### A slow service\n");
    text.push_str(&tables::slow_service(results));
    text.push('\n');
    text
}

/// Each target next to what was measured.
fn targets(results: &Results, text: &mut String) {
    let names = tables::names(results);
    let [_, this, others @ ..] = names.as_slice() else { return };
    text.push_str("\n### Targets\n\n| result | target | measured |\n|---|---|---|\n");
    let mut line = |what: &str, target: &str, measured: String| {
        let _ = writeln!(text, "| {what} | {target} | {measured} |");
    };
    line("binary, bytes", "8,000,000", results.binary_bytes.to_string());
    let start = results.start.to_first_response.with(2);
    line("process start to first response, mutual TLS", "4 ms", format!("{start} ms"));
    let by_size = |values: Vec<(usize, String)>| {
        let values = values.into_iter().map(|(resources, value)| format!("{resources}: {value}"));
        values.collect::<Vec<_>>().join("; ")
    };
    let cpu = tables::cpu_per_resource(results).into_iter();
    let cpu = cpu.map(|(resources, cpu)| (resources, format!("{cpu:.3} ms"))).collect();
    line("provider CPU for each refreshed resource, by number", "0.15 ms", by_size(cpu));
    let plans = || in_mirror(results, this).filter(|row| row.step == "plan");
    let memory = plans().map(|row| (row.resources, mb(row.peak_memory_kib)));
    let memory = memory.map(|(resources, mb)| (resources, format!("{mb:.1} MB"))).collect();
    line("peak memory, by number", "9 MB, no growth", by_size(memory));
    let adopted = in_mirror(results, this).filter(|row| row.step == "adopt");
    let saved = adopted.filter_map(|adopted| {
        let mut rows = in_mirror(results, this);
        let created =
            rows.find(|row| row.step == "create" && row.resources == adopted.resources)?;
        let [created, adopted_seconds] = [created, adopted].map(|row| row.above_baseline.median);
        Some((adopted.resources, format!("{created:.3} and {adopted_seconds:.3} s")))
    });
    line(
        "`create` beyond, with three requests for each resource, and `adopt`, with one, by number",
        "",
        by_size(saved.collect()),
    );
    for other in others {
        let is_limit = *other == "bare plugin";
        let mut row = |what: &str, target: &str, seconds: fn(&Row) -> f64| {
            let shares = plans()
                .map(|row| (row.resources, shares(results, [this, other], row.resources, seconds)));
            let what = format!("{what}, as a share of {other}, by number");
            line(&what, target, by_size(shares.filter(|(_, share)| !share.is_empty()).collect()));
        };
        if is_limit {
            row("time of the whole command", "1.2", |row| row.seconds.median);
        }
        let target = if is_limit { "" } else { "a third" };
        row("time beyond the builtin resource", target, |row| row.above_baseline.median);
    }
}

/// The lowest and highest share over the commands.
fn shares(
    results: &Results,
    [this, other]: [&str; 2],
    resources: usize,
    seconds: fn(&Row) -> f64,
) -> String {
    let of = |name: &str| -> Vec<&Row> {
        in_mirror(results, name).filter(|row| row.resources == resources).collect()
    };
    let pairs = of(this).into_iter().filter_map(|own| {
        let other = of(other).into_iter().find(|row| row.step == own.step)?;
        let other = Some(other).filter(|row| tables::has_counterpart(&row.candidate, &row.step))?;
        let (own, other) = (seconds(own), seconds(other));
        (own > 0.0 && other > 0.0).then_some(own / other)
    });
    let shares: Vec<f64> = pairs.collect();
    if shares.is_empty() {
        return String::new();
    }
    let lowest = shares.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = shares.iter().copied().fold(0.0, f64::max);
    format!("{lowest:.2} to {highest:.2}")
}

/// Seconds beyond the builtin resource by size, command and candidate.
fn beyond(results: &Results, text: &mut String) {
    let names = tables::names(results);
    let [baseline, this, others @ ..] = names.as_slice() else { return };
    text.push_str("\n### Beyond the builtin resource\n\n");
    let _ = write!(text, "| resources | command | {baseline}, s | this provider beyond, s |");
    for other in others {
        let _ = write!(text, " {other} beyond, s | this / {other} |");
    }
    text.push_str("\n|--:|---|--:|--:|");
    text.push_str(&"--:|--:|".repeat(others.len()));
    text.push('\n');
    for own in in_mirror(results, this) {
        let (resources, step) = (own.resources, &own.step);
        let of = |name: &str| {
            let is_same = |row: &&Row| {
                row.candidate == name
                    && row.resources == resources
                    && row.step == *step
                    && (name == *baseline || row.installation == Installation::Mirror)
            };
            results.runs.iter().find(is_same)
        };
        let floor = of(baseline).map(|row| row.seconds.with(3)).unwrap_or_default();
        let _ = write!(text, "| {resources} | {step} | {floor} | {} |", own.above_baseline.with(3));
        for other in others {
            let other = of(other).filter(|row| tables::has_counterpart(other, &row.step));
            match other.map(|row| row.above_baseline) {
                // A share of nothing, or of less, says nothing.
                Some(beyond) if beyond.median > 0.0 && own.above_baseline.median > 0.0 => {
                    let share = own.above_baseline.median / beyond.median;
                    let _ = write!(text, " {} | {share:.2} |", beyond.with(3));
                }
                Some(beyond) => {
                    let _ = write!(text, " {} | - |", beyond.with(3));
                }
                None => text.push_str(" - | - |"),
            }
        }
        text.push('\n');
    }
}

/// The rows of a candidate that was installed from a mirror.
fn in_mirror<'a>(results: &'a Results, name: &str) -> impl Iterator<Item = &'a Row> {
    results
        .runs
        .iter()
        .filter(move |row| row.candidate == name && row.installation == Installation::Mirror)
}

/// What the processes of this provider use, and what they call.
fn usage(results: &Results, text: &mut String) {
    let names = tables::names(results);
    let [_, this, ..] = names.as_slice() else { return };
    text.push_str(
        "\n### What the processes use\n\n\
         | resources | command | processes | CPU, s | peak memory, MB | HTTP requests | connections |\n\
         |--:|---|--:|---|--:|--:|--:|\n",
    );
    for row in in_mirror(results, this) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.1} | {} | {} |",
            row.resources,
            row.step,
            row.processes,
            row.provider_cpu_seconds.with(3),
            mb(row.peak_memory_kib),
            row.calls.values().sum::<usize>(),
            row.connections,
        );
    }
}

/// The ways of installation, with the fewest resources.
fn installations(results: &Results, text: &mut String) {
    let names = tables::names(results);
    let [_, this, ..] = names.as_slice() else { return };
    let Some(fewest) = results.runs.iter().map(|row| row.resources).min() else { return };
    let _ = write!(
        text,
        "\n### Ways of installation, {fewest} resource\n\n\
         | command | from a mirror, beyond s | and with a plugin cache | `dev_overrides` |\n\
         |---|---|---|---|\n"
    );
    let own = || {
        let rows = results.runs.iter();
        rows.filter(|row| row.candidate == *this && row.resources == fewest)
    };
    for row in own().filter(|row| row.installation == Installation::Mirror) {
        let of = |installation: Installation| {
            let same =
                own().find(|other| other.step == row.step && other.installation == installation);
            same.map(|row| row.above_baseline.with(3)).unwrap_or_default()
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            row.step,
            row.above_baseline.with(3),
            of(Installation::MirrorWithCache),
            of(Installation::DevOverrides),
        );
    }
}
