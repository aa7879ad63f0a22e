//! The emulator, and the number of requests that it received.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use oss_emulator::{Config, Emulator, EncryptionRule};

pub(crate) const KEY_ID: &str = "LTAI5tBENCHBENCHBENCHBEN";
pub(crate) const KEY_SECRET: &str = "BenchBenchBenchBenchBenchBench";

/// The emulator, and the number of requests by operation and status.
pub(crate) struct Service {
    pub(crate) emulator: Emulator,
    calls: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Service {
    pub(crate) fn start(buckets: usize) -> Self {
        let calls = Arc::new(Mutex::new(BTreeMap::new()));
        let counted = Arc::clone(&calls);
        let mut config =
            Config::default().with_credentials(KEY_ID, KEY_SECRET).with_observer(move |record| {
                let operation = record.operation.clone().unwrap_or_default();
                let what = format!("{operation} {}", record.status);
                *counted.lock().unwrap().entry(what).or_default() += 1;
            });
        for number in 0..buckets {
            config = config.with_bucket(&bucket(number));
        }
        Self { emulator: Emulator::start(config).unwrap(), calls }
    }

    /// The requests since the last call.
    pub(crate) fn take_calls(&self) -> BTreeMap<String, usize> {
        self.emulator.clear_requests();
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    /// Gives the first buckets a rule.
    pub(crate) fn set_rules(&self, buckets: usize, algorithm: &str) {
        for number in 0..buckets {
            self.emulator.set_rule(&bucket(number), EncryptionRule::new(algorithm));
        }
    }

    /// Removes the rules of the first buckets.
    pub(crate) fn remove_rules(&self, buckets: usize) {
        for number in 0..buckets {
            self.emulator.remove_rule(&bucket(number));
        }
    }
}

/// The name of a bucket.
pub(crate) fn bucket(number: usize) -> String {
    format!("b-{number:05}")
}
