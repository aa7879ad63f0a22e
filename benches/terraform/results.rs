//! The results of a benchmark, as they are stored in JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::install::Installation;

/// All results.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) terraform: String,
    pub(crate) binary_bytes: u64,
    /// The sizes of the other providers' binaries.
    #[serde(default)]
    pub(crate) peer_bytes: BTreeMap<String, u64>,
    pub(crate) start: Start,
    /// The same of the bare plugin.
    #[serde(default)]
    pub(crate) bare_start: Start,
    pub(crate) exchange: Option<Exchange>,
    #[serde(default)]
    pub(crate) lists: Vec<List>,
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
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) to_handshake_line: Spread,
    pub(crate) to_first_response: Spread,
}

/// The runs of one command with this number of resources.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) resources: usize,
    pub(crate) step: String,
    #[serde(alias = "resource_type")]
    pub(crate) candidate: String,
    #[serde(default)]
    pub(crate) installation: Installation,
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

/// CPU time in milliseconds for exchanging the bytes of one refreshed resource over a Unix socket and a TCP
/// connection, in a loop that does nothing else.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Exchange {
    pub(crate) plain: Spread,
    /// With TLS on the Unix socket.
    pub(crate) tls: Spread,
}

/// A list query, or a read of the data source of a whole account.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct List {
    /// Which of the two.
    pub(crate) what: String,
    pub(crate) buckets: usize,
    pub(crate) seconds: Spread,
    /// The same requests, sent by a loop that does nothing else.
    pub(crate) bare_seconds: Spread,
    pub(crate) requests: usize,
    pub(crate) connections: usize,
    pub(crate) peak_memory_kib: u64,
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

    pub(crate) fn with(self, digits: usize) -> String {
        let Self { median, lowest, highest, count } = self;
        match count {
            0 => "-".to_owned(),
            1 => format!("{median:.digits$} (once)"),
            _ => format!("{median:.digits$} ({lowest:.digits$} to {highest:.digits$})"),
        }
    }
}

/// Megabytes.
#[expect(clippy::cast_precision_loss, reason = "less than 2^52")]
pub(crate) fn mb(kib: u64) -> f64 {
    kib as f64 * 1024.0 / 1e6
}
