//! The results of a benchmark, as JSON and as Markdown tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// All results.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) terraform: String,
    pub(crate) binary_bytes: u64,
    pub(crate) start: Start,
    pub(crate) runs: Vec<Row>,
    pub(crate) slow_service: Vec<Slow>,
}

/// The machine, and its load.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) system: String,
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    /// Load average of the last minute, before and after.
    pub(crate) load: [String; 2],
}

/// Milliseconds from the start of the process, with mutual TLS.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) to_handshake_line: Spread,
    pub(crate) to_first_response: Spread,
}

/// The runs of one command with this number of resources.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) resources: usize,
    pub(crate) step: String,
    pub(crate) resource_type: String,
    pub(crate) seconds: Spread,
    /// Additional seconds compared with the baseline in the same round.
    pub(crate) above_baseline: Spread,
    /// Time divided by that of the baseline in the same round.
    pub(crate) relative_to_baseline: Spread,
    /// Number of provider processes.
    pub(crate) processes: usize,
    /// Total of all provider processes.
    pub(crate) provider_cpu_seconds: Spread,
    pub(crate) terraform_cpu_seconds: Spread,
    /// Maximum over all processes and runs.
    pub(crate) peak_memory_kib: u64,
    pub(crate) calls: BTreeMap<String, usize>,
    pub(crate) connections: usize,
}

/// A plan while the service delays every response.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Slow {
    pub(crate) resources: usize,
    pub(crate) delay_ms: u64,
    pub(crate) parallelism: usize,
    /// The time of the delays alone.
    pub(crate) ideal_seconds: f64,
    /// Additional seconds compared with a plan without delays.
    pub(crate) additional_seconds: Spread,
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

impl Results {
    /// Formats Markdown tables.
    pub(crate) fn to_tables(&self) -> String {
        let mut text = String::new();
        let Machine { system, cpu, cores, memory_gib, load } = &self.machine;
        let _ = writeln!(
            text,
            "{cores} cores of {cpu}, {memory_gib} GiB, {system}, load average {} before and {} after; {}\n\n\
             binary: {} bytes\n\
             process start to handshake line: {} ms\n\
             process start to first response, with mutual TLS: {} ms\n",
            load[0],
            load[1],
            self.terraform,
            self.binary_bytes,
            self.start.to_handshake_line.with(1),
            self.start.to_first_response.with(1),
        );
        text.push_str(
            "| resources | step | resource type | seconds | above the baseline | relative to the baseline | \
             processes | provider CPU s | terraform CPU s | peak memory MB | HTTP requests | connections |\n\
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
                row.resource_type,
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
        text.push_str(
            "\n| resources | delay per response | parallelism | delays alone | additional time | connections |\n\
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
                slow.additional_seconds.with(2),
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
