//! Compares new results with earlier ones.

use std::fmt::Write as _;

use super::results::{Results, Row, Spread, mb};

/// A table of the figures that both have.
pub(crate) fn table(before: &Results, after: &Results) -> String {
    let mut text = format!(
        "Compared with docs/performance.json (load average {} then, {} now):\n\n\
         | resources | step | candidate | installation | seconds | above the baseline | provider CPU ms | HTTP requests |\n\
         |--:|---|---|---|---|---|---|---|\n",
        before.machine.load[0], after.machine.load[0],
    );
    for row in &after.runs {
        let Some(earlier) = before.runs.iter().find(|earlier| is_same(earlier, row)) else {
            continue;
        };
        let requests = |row: &Row| row.calls.values().sum::<usize>();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} → {} |",
            row.resources,
            row.step,
            row.candidate,
            row.installation,
            pair(earlier.seconds, row.seconds, 1.0, 3),
            pair(earlier.above_baseline, row.above_baseline, 1.0, 3),
            pair(earlier.provider_cpu_seconds, row.provider_cpu_seconds, 1000.0, 1),
            requests(earlier),
            requests(row),
        );
    }
    let starts = [
        ("start to handshake line", before.start.to_handshake_line, after.start.to_handshake_line),
        ("start to first response", before.start.to_first_response, after.start.to_first_response),
    ];
    text.push('\n');
    for (what, before, after) in starts {
        let _ = writeln!(text, "{what}, ms: {}", pair(before, after, 1.0, 2));
    }
    for list in &after.lists {
        let earlier = before.lists.iter().find(|other| other.what == list.what);
        let Some(earlier) = earlier.filter(|other| other.buckets == list.buckets) else { continue };
        let seconds = pair(earlier.seconds, list.seconds, 1.0, 2);
        let memory =
            format!("{:.1} → {:.1}", mb(earlier.peak_memory_kib), mb(list.peak_memory_kib));
        let _ =
            writeln!(text, "{} of {} buckets, s: {seconds}; MB: {memory}", list.what, list.buckets);
    }
    let _ = writeln!(text, "binary, bytes: {} → {}", before.binary_bytes, after.binary_bytes);
    text
}

fn is_same(one: &Row, other: &Row) -> bool {
    one.resources == other.resources
        && one.step == other.step
        && one.candidate == other.candidate
        && one.installation == other.installation
}

/// Both medians, and the quotient.
fn pair(before: Spread, after: Spread, unit: f64, digits: usize) -> String {
    if before.median == 0.0 || after.count == 0 {
        return "-".to_owned();
    }
    let (before, after) = (before.median * unit, after.median * unit);
    format!("{before:.digits$} → {after:.digits$} (× {:.2})", after / before)
}
