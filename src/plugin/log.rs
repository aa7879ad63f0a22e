//! Log lines as the host reads them from standard error: one hclog JSON object a line.
//!
//! Rules: go-plugin, `client.go` (`logStderr`) and `log_entry.go`. The values of the `@` keys must
//! be strings, or Terraform itself crashes; the time stamp has exactly six fractional digits; a line
//! stays below 64 KiB.
//!
//! Only this crate's own events are written below `WARN`: HTTP libraries log requests with their
//! headers, and those are secrets.

use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value as Json};
use time::OffsetDateTime;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// The longest text of one field, in characters.
const MAX_TEXT: usize = 4096;
/// The longest line, in bytes; the host takes a line of 64 KiB apart.
const MAX_LINE: usize = 60 * 1024;

/// The level that the environment asks for; none when logging is off. An unknown word means
/// everything, as it does to Terraform.
pub fn level(lookup: impl Fn(&str) -> Option<String>) -> Option<Level> {
    let word = ["TF_LOG_PROVIDER_OSS", "TF_LOG_PROVIDER", "TF_LOG"]
        .iter()
        .find_map(|name| lookup(name).filter(|value| !value.is_empty()))?;
    match word.to_ascii_uppercase().as_str() {
        "OFF" => None,
        "ERROR" => Some(Level::ERROR),
        "WARN" => Some(Level::WARN),
        "INFO" => Some(Level::INFO),
        "DEBUG" => Some(Level::DEBUG),
        _ => Some(Level::TRACE),
    }
}

/// Writes events to standard error from now on, if `level` asks for any. When it does not, nothing
/// is installed and an event costs next to nothing.
pub fn init(level: Option<Level>) {
    if let Some(level) = level {
        let subscriber = Hclog { level, writer: Mutex::new(std::io::stderr()) };
        // Fails only if there is a subscriber already, which then does the work.
        let _ = tracing::subscriber::set_global_default(subscriber);
    }
}

/// Writes events, one line each. It keeps no spans: none are opened by this crate.
struct Hclog<W> {
    level: Level,
    writer: Mutex<W>,
}

impl<W: Write + 'static> Subscriber for Hclog<W>
where
    W: Send,
{
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let own = metadata.target().starts_with(env!("CARGO_CRATE_NAME"));
        metadata.is_event()
            && *metadata.level() <= self.level
            && (own || *metadata.level() <= Level::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        #[expect(clippy::disallowed_methods, reason = "a log line carries the time it was written")]
        let now = OffsetDateTime::from(std::time::SystemTime::now());
        let line = format_event(event, now);
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // One write a line; and nothing to do when nobody reads any more.
        let _ = writer.write_all(line.as_bytes());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// One line with its line break.
fn format_event(event: &Event<'_>, time: OffsetDateTime) -> String {
    let mut fields = Fields(Map::new());
    event.record(&mut fields);
    let mut object = fields.0;
    let message = match object.remove("message") {
        Some(Json::String(message)) => message,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let module = event.metadata().target().replace(env!("CARGO_CRATE_NAME"), "provider");
    object.insert("@level".to_owned(), level_name(*event.metadata().level()).into());
    object.insert("@message".to_owned(), message.into());
    object.insert("@module".to_owned(), module.replace("::", ".").into());
    object.insert("@timestamp".to_owned(), timestamp(time).into());
    let line = Json::Object(object.clone()).to_string();
    if line.len() <= MAX_LINE {
        return format!("{line}\n");
    }
    // Six bytes are the longest form of a character in JSON: what is left always fits.
    object.retain(|name, _| name.starts_with('@'));
    object.insert("truncated".to_owned(), true.into());
    format!("{}\n", Json::Object(object))
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

fn timestamp(time: OffsetDateTime) -> String {
    let (hour, minute, second, microsecond) = time.to_hms_micro();
    let (year, month, day) = time.to_calendar_date();
    format!(
        "{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{microsecond:06}Z",
        u8::from(month),
    )
}

/// The fields of an event as JSON.
struct Fields(Map<String, Json>);

impl Fields {
    fn insert(&mut self, field: &Field, value: Json) {
        // Keys with an @ are the host's.
        self.0.insert(field.name().replace('@', "_"), value);
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let text = match value.char_indices().nth(MAX_TEXT) {
            Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
            None => value.to_owned(),
        };
        self.insert(field, text.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: Level, work: impl FnOnce()) -> Vec<Json> {
        let buffer = Buffer::default();
        let subscriber = Hclog { level, writer: Mutex::new(buffer.clone()) };
        tracing::subscriber::with_default(subscriber, work);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn every_at_key_is_a_string_that_the_host_accepts() {
        let lines = logged(Level::TRACE, || {
            tracing::warn!(status = 404, retried = true, bucket = "demo\n", "a \"message\"");
            tracing::trace!("@level" = 1, "@message" = "mine", seconds = 0.5, "other");
        });
        assert_eq!(lines[0]["@level"], "warn");
        assert_eq!(lines[0]["@message"], "a \"message\"");
        assert_eq!(lines[0]["@module"], "provider.plugin.log.tests");
        assert_eq!(lines[0]["status"], 404);
        assert_eq!(lines[0]["retried"], true);
        assert_eq!(lines[0]["bucket"], "demo\n");
        assert_eq!(lines[1]["@level"], "trace");
        assert_eq!(lines[1]["@message"], "other");
        assert_eq!(lines[1]["_message"], "mine");
        assert_eq!(lines[1]["seconds"], 0.5);
        for line in lines {
            let stamp = line["@timestamp"].as_str().unwrap();
            assert_eq!((stamp.len(), &stamp[19..20], &stamp[26..]), (27, ".", "Z"), "{stamp}");
        }
    }

    #[test]
    fn a_time_stamp_has_six_digits_always() {
        assert_eq!(timestamp(OffsetDateTime::UNIX_EPOCH), "1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn dependencies_log_warnings_only() {
        let lines = logged(Level::TRACE, || {
            tracing::debug!(target: "hyper::client", "authorization: secret");
            tracing::warn!(target: "hyper::client", "a warning");
        });
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["@message"], "a warning");
    }

    #[test]
    fn levels_below_the_wanted_one_are_dropped() {
        let lines = logged(Level::INFO, || {
            tracing::debug!("no");
            tracing::info!("yes");
        });
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn long_texts_are_cut() {
        let lines = logged(Level::INFO, || tracing::info!("{}", "ä".repeat(100_000)));
        assert_eq!(lines[0]["@message"].as_str().unwrap().chars().count(), MAX_TEXT + 1);
    }

    #[test]
    fn no_line_is_longer_than_the_host_takes() {
        let long = "\u{1}".repeat(100_000);
        let long = long.as_str();
        let lines = logged(Level::INFO, || tracing::info!(a = long, b = long, c = long, "{long}"));
        assert!(lines[0].to_string().len() < 64 * 1024);
        assert_eq!(lines[0]["truncated"], true);
    }

    #[test]
    fn the_most_specific_variable_decides() {
        let with = |variables: &[(&str, &str)]| {
            level(|name| {
                let found = variables.iter().find(|(candidate, _)| *candidate == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(with(&[]), None);
        assert_eq!(with(&[("TF_LOG", "")]), None);
        assert_eq!(with(&[("TF_LOG", "debug")]), Some(Level::DEBUG));
        assert_eq!(with(&[("TF_LOG", "JSON")]), Some(Level::TRACE));
        assert_eq!(with(&[("TF_LOG", "nonsense")]), Some(Level::TRACE));
        assert_eq!(with(&[("TF_LOG", "trace"), ("TF_LOG_PROVIDER", "off")]), None);
        let all = [("TF_LOG", "off"), ("TF_LOG_PROVIDER", "off"), ("TF_LOG_PROVIDER_OSS", "info")];
        assert_eq!(with(&all), Some(Level::INFO));
    }
}
