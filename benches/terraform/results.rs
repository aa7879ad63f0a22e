//! The figures of a benchmark, as JSON for machines and as a table for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Everything that was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) machine: Machine,
    pub(crate) terraform: String,
    pub(crate) binary_bytes: u64,
    pub(crate) start: Start,
    pub(crate) runs: Vec<Row>,
    pub(crate) slow_service: Vec<Slow>,
}

/// Where it was measured, and how busy that was.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) system: String,
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    /// Of the last minute, before and after.
    pub(crate) load: [String; 2],
}

/// From the start of the process, in milliseconds, with mutual TLS.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) to_line: Spread,
    pub(crate) to_first_answer: Spread,
}

/// The runs of one command on so many resources.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) resources: usize,
    pub(crate) step: String,
    pub(crate) who: String,
    pub(crate) seconds: Spread,
    /// By how much it took longer than the builtin resource in the same round, in seconds.
    pub(crate) beyond_floor: Spread,
    /// How often as long as the builtin resource in the same round.
    pub(crate) times_floor: Spread,
    /// Processes of the provider.
    pub(crate) processes: usize,
    /// Of all of them together.
    pub(crate) provider_cpu_seconds: Spread,
    pub(crate) terraform_cpu_seconds: Spread,
    /// Of the largest one, in all runs.
    pub(crate) peak_memory_kib: u64,
    pub(crate) calls: BTreeMap<String, usize>,
    pub(crate) connections: usize,
}

/// A plan while every answer of the service is late.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Slow {
    pub(crate) resources: usize,
    pub(crate) delay_ms: u64,
    pub(crate) parallelism: usize,
    /// What the delays alone take.
    pub(crate) ideal_seconds: f64,
    /// How much longer than without delays it took, in seconds.
    pub(crate) longer: Spread,
    pub(crate) connections: usize,
}

/// Several measurements of the same thing.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
    pub(crate) count: usize,
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let count = values.len();
        if count == 0 {
            return Self::default();
        }
        let median = f64::midpoint(values[(count - 1) / 2], values[count / 2]);
        Self { median, lowest: values[0], highest: values[count - 1], count }
    }

    fn with(self, digits: usize) -> String {
        let Self { median, lowest, highest, count } = self;
        match count {
            0 => "-".to_owned(),
            1 => format!("{median:.digits$} (once)"),
            _ => format!("{median:.digits$} ({lowest:.digits$} to {highest:.digits$})"),
        }
    }
}

impl Figures {
    /// Tables in Markdown.
    pub(crate) fn to_tables(&self) -> String {
        let mut text = String::new();
        let Machine { system, cpu, cores, memory_gib, load } = &self.machine;
        let _ = writeln!(
            text,
            "{cores} cores of {cpu}, {memory_gib} GiB, {system}, load average {} before and {} after; {}\n\n\
             binary: {} bytes\n\
             process start to handshake line: {} ms\n\
             process start to first answer, with mutual TLS: {} ms\n",
            load[0],
            load[1],
            self.terraform,
            self.binary_bytes,
            self.start.to_line.with(1),
            self.start.to_first_answer.with(1),
        );
        text.push_str(
            "| resources | step | who | seconds | beyond the floor | times the floor | processes | \
             provider CPU s | terraform CPU s | peak memory MB | HTTP calls | connections |\n\
             |--:|---|---|---|---|---|--:|---|---|--:|---|--:|\n",
        );
        for row in &self.runs {
            let calls: Vec<String> =
                row.calls.iter().map(|(what, count)| format!("{count} {what}")).collect();
            let memory = match row.peak_memory_kib {
                0 => "-".to_owned(),
                kib => format!("{:.1}", mb(kib)),
            };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {memory} | {} | {} |",
                row.resources,
                row.step,
                row.who,
                row.seconds.with(3),
                row.beyond_floor.with(3),
                row.times_floor.with(2),
                row.processes,
                row.provider_cpu_seconds.with(3),
                row.terraform_cpu_seconds.with(2),
                calls.join(", "),
                row.connections,
            );
        }
        text.push_str(
            "\n| resources | delay of each answer | parallelism | the delays alone | plan longer by | connections |\n\
             |--:|---|--:|---|---|--:|\n",
        );
        for slow in &self.slow_service {
            let _ = writeln!(
                text,
                "| {} | {} ms | {} | {:.2} s | {} s | {} |",
                slow.resources,
                slow.delay_ms,
                slow.parallelism,
                slow.ideal_seconds,
                slow.longer.with(2),
                slow.connections,
            );
        }
        text
    }
}

/// Megabytes.
#[expect(clippy::cast_precision_loss, reason = "less than 2^52")]
pub(crate) fn mb(kib: u64) -> f64 {
    kib as f64 * 1024.0 / 1e6
}
