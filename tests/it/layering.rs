//! Checks which modules may import each other, and that the map in `ARCHITECTURE.md` names every file.

use std::fs;
use std::path::{Path, PathBuf};

/// A module, and the siblings it may use.
struct Rule {
    module: &'static str,
    siblings: &'static [&'static str],
}

const RULES: [Rule; 8] = [
    Rule { module: "lib", siblings: &[] },
    Rule { module: "main", siblings: &["plugin", "provider", "tfplugin"] },
    Rule { module: "plugin", siblings: &[] },
    Rule { module: "tfplugin", siblings: &[] },
    Rule { module: "oss", siblings: &[] },
    Rule { module: "resources", siblings: &["oss", "tfplugin"] },
    Rule { module: "provider", siblings: &["oss", "resources", "tfplugin"] },
    Rule { module: "fuzz", siblings: &["oss", "plugin", "provider", "tfplugin"] },
];

/// Names, and the only files that may use them.
const CONFINED: [(&str, &[&str]); 15] = [
    ("pb::", &["plugin/", "tfplugin/", "fuzz.rs"]),
    (
        "Instant::now",
        &[
            "oss/call.rs",
            "oss/credentials/cache.rs",
            "oss/send.rs",
            "resources/bucket/timeouts.rs",
            "resources/bucket/write.rs",
        ],
    ),
    // `client` has the calls, `destination` and `send` send them; nothing below them imports the client. (Libraries have
    // such modules, too.)
    ("::client::", &["oss/destination.rs", "oss/scan.rs", "oss/send.rs", "plugin/tls.rs"]),
    (
        "::retry::",
        &[
            "oss/client.rs",
            "oss/credentials/cache.rs",
            "oss/credentials/cache/refresh.rs",
            "oss/fuzz.rs",
            "oss/http.rs",
            "oss/send.rs",
        ],
    ),
    (
        "::http::",
        &[
            "oss/client.rs",
            "oss/credentials/cache.rs",
            "oss/credentials/fetch.rs",
            "oss/credentials/metadata.rs",
            "oss/credentials/renew.rs",
            "oss/proxy.rs",
            "oss/send.rs",
        ],
    ),
    ("reqwest", &["oss/http.rs"]),
    ("SystemTime", &["oss/clock.rs", "plugin/log.rs"]),
    ("quick_xml", &["oss/xml.rs", "oss/encryption.rs"]),
    ("tokio::net", &["plugin/listener.rs"]),
    ("tokio::fs", &["oss/credentials/files.rs"]),
    ("tokio::process", &["oss/credentials/process.rs"]),
    ("rmpv", &["tfplugin/msgpack.rs"]),
    ("rustls", &["plugin/tls.rs", "plugin/serve.rs", "oss/http.rs"]),
    (
        "tonic",
        &[
            "plugin/",
            "tfplugin/message_codec.rs",
            "tfplugin/pb.rs",
            "tfplugin/server/",
            "main.rs",
            "fuzz.rs",
        ],
    ),
    // The HTTP library reads the proxy variables itself, so they are checked where it is used.
    ("env::var", &["main.rs", "oss/http.rs"]),
];

/// The provider's source files, relative to `src/`, with their content.
fn sources() -> Vec<(String, String)> {
    files_in("src")
}

fn files_in(directory: &str) -> Vec<(String, String)> {
    fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut files = Vec::new();
    collect(&root, &mut files);
    let name = |path: &Path| path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
    files.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// Whether a line is in the tests at the end of a file, which are a module deeper.
fn is_test(text: &str, number: usize) -> bool {
    text.lines().position(|line| line == "#[cfg(test)]").is_some_and(|start| start < number)
}

/// The lines of code, without comments.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let mut violations = Vec::new();
    for (file, text) in sources() {
        let module = file.split(['/', '.']).next().unwrap();
        let rule = RULES.iter().find(|rule| rule.module == module);
        let rule = rule.unwrap_or_else(|| panic!("src/{file}: no rule for {module}"));
        for (number, line) in lines(&text) {
            let line = line.replace("terraform_provider_oss::", "crate::");
            if line.contains("super::super::") && !is_test(&text, number) {
                violations.push(format!("src/{file}:{number}: use a `crate::` path"));
            }
            for path in line.split("crate::").skip(1) {
                let target: String =
                    path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if target != module && !rule.siblings.contains(&target.as_str()) {
                    violations.push(format!("src/{file}:{number}: {module} must not use {target}"));
                }
            }
        }
    }
    assert_eq!(violations, Vec::<String>::new());
}

#[test]
fn io_clock_and_formats_stay_in_their_files() {
    let mut violations = Vec::new();
    for (file, text) in sources() {
        for (what, files) in CONFINED {
            if files.iter().any(|allowed| file.starts_with(allowed)) {
                continue;
            }
            for (number, line) in lines(&text) {
                if line.contains(what) {
                    violations.push(format!("src/{file}:{number}: {what} is not allowed here"));
                }
            }
        }
    }
    assert_eq!(violations, Vec::<String>::new());
}

#[test]
fn every_file_has_module_documentation() {
    for directory in ["src", "emulator/src", "packaging", "benches"] {
        for (file, text) in files_in(directory) {
            assert!(text.starts_with("//!"), "{directory}/{file} has no module documentation");
        }
    }
}

/// The map in `ARCHITECTURE.md`, by directory. A file is named in the row of its directory, or else of the nearest one
/// above.
#[test]
fn every_file_is_named_in_the_map() {
    let text = include_str!("../../ARCHITECTURE.md");
    let map = text.split("## Map").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let rows: Vec<(&str, &str)> =
        map.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | ")).collect();
    let row = |path: &str| {
        let place = format!("`{path}`");
        rows.iter().find(|(places, _)| places.split(", ").any(|found| found == place))
    };
    let mut missing = Vec::new();
    for (file, _) in sources() {
        let path = Path::new("src").join(&file);
        let mut parts: Vec<&str> = path.iter().map(|part| part.to_str().unwrap()).collect();
        let last = parts.pop().unwrap().trim_end_matches(".rs");
        // `fuzz.rs` of every directory is in one row, and tests are not part of the map.
        if row(path.to_str().unwrap()).is_some()
            || ["fuzz", "tests"].contains(&last)
            || parts.contains(&"tests")
        {
            continue;
        }
        // `a/mod.rs` is the module `a`, unless it is the directory of a row.
        let directory = format!("{}/", parts.join("/"));
        let name = match last {
            "mod" if row(&directory).is_some() => continue,
            "mod" => parts.pop().unwrap(),
            name => name,
        };
        let nearest = (1..=parts.len()).rev();
        let nearest =
            nearest.map(|count| format!("{}/", parts[..count].join("/"))).find_map(|d| row(&d));
        let spans = nearest.map_or("", |(_, what)| what).split('`').skip(1).step_by(2);
        let mut names =
            spans.flat_map(|span| span.split(|c: char| !c.is_alphanumeric() && c != '_'));
        if !names.any(|found| found == name) {
            missing.push(format!("src/{file}"));
        }
    }
    assert_eq!(missing, Vec::<String>::new(), "not in the map of ARCHITECTURE.md");
}

/// A dependency that is not for development would add its features to those that the provider is built with.
#[test]
fn benchmarks_have_development_dependencies_only() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/Cargo.toml");
    let text = fs::read_to_string(file).unwrap();
    let sections =
        text.lines().filter(|line| line.starts_with('[') && line.contains("dependencies"));
    let others: Vec<&str> = sections.filter(|line| !line.contains("dev-dependencies")).collect();
    assert_eq!(others, Vec::<&str>::new());
}
