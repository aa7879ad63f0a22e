//! Log lines in the format that the host reads from standard error: one hclog JSON object per line.
//!
//! Rules: go-plugin, `client.go` (`logStderr`) and `log_entry.go`. The values of the `@` keys must be strings, or
//! Terraform crashes; timestamps have exactly six fractional digits; lines are shorter than 64 KiB.
//!
//! Below `WARN`, only events of this crate are logged: HTTP libraries log request headers, which contain secrets.

use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value as Json};
use time::OffsetDateTime;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Maximum length of a field, in characters.
const MAX_TEXT: usize = 4096;
/// Maximum length of a line, in bytes; the host splits lines of 64 KiB.
const MAX_LINE: usize = 60 * 1024;

/// The log level from the environment variables, or `None` if logging is off. As in Terraform, unknown values
/// mean `TRACE`.
pub fn level(lookup: impl Fn(&str) -> Option<String>) -> Option<Level> {
    let value = ["TF_LOG_PROVIDER_OSS", "TF_LOG_PROVIDER", "TF_LOG"]
        .iter()
        .find_map(|name| lookup(name).filter(|value| !value.is_empty()))?;
    match value.to_ascii_uppercase().as_str() {
        "OFF" => None,
        "ERROR" => Some(Level::ERROR),
        "WARN" => Some(Level::WARN),
        "INFO" => Some(Level::INFO),
        "DEBUG" => Some(Level::DEBUG),
        _ => Some(Level::TRACE),
    }
}

/// Starts to log to standard error. Without a `level`, no subscriber is installed, so that events cost next to
/// nothing.
pub fn init(level: Option<Level>) {
    if let Some(level) = level {
        let subscriber = Hclog { level, writer: Mutex::new(std::io::stderr()) };
        // Fails only if a subscriber is already installed.
        let _ = tracing::subscriber::set_global_default(subscriber);
    }
}

/// Writes a line per event. Ignores spans, because this crate does not use them.
struct Hclog<W> {
    level: Level,
    writer: Mutex<W>,
}

impl<W: Write + Send + 'static> Subscriber for Hclog<W> {
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
        // A single write per line. Fails if standard error is closed.
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
    // The remaining fields always fit, because a character takes at most six bytes in JSON.
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
        // Keys with an @ are reserved for the host.
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
    fn the_values_of_at_keys_are_strings() {
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
    fn timestamps_have_six_fractional_digits() {
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
    fn events_below_the_level_are_dropped() {
        let lines = logged(Level::INFO, || {
            tracing::debug!("no");
            tracing::info!("yes");
        });
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn long_fields_are_truncated() {
        let lines = logged(Level::INFO, || tracing::info!("{}", "ä".repeat(100_000)));
        assert_eq!(lines[0]["@message"].as_str().unwrap().chars().count(), MAX_TEXT + 1);
    }

    #[test]
    fn lines_are_shorter_than_the_limit_of_the_host() {
        let long = "\u{1}".repeat(100_000);
        let long = long.as_str();
        let lines = logged(Level::INFO, || tracing::info!(a = long, b = long, c = long, "{long}"));
        assert!(lines[0].to_string().len() < 64 * 1024);
        assert_eq!(lines[0]["truncated"], true);
    }

    #[test]
    fn the_most_specific_variable_takes_precedence() {
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
