//! The documentation matches the provider: reference pages are generated from the schema, quoted
//! messages are the actual ones, and examples for newer Terraform versions match the schema.
//!
//! `tests/acceptance/docs.rs` runs everything that the installed Terraform supports.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use oss_emulator::{Config, Emulator, EncryptionRule};
use serde_json::{Value as Json, json};
use terraform_provider_oss::oss::{Endpoint, EndpointType, Operation, Region};
use terraform_provider_oss::tfplugin::pb;

use super::markdown::{Block, Page, contains, page_at, pages, root};
use super::support::{KEY_ID, KEY_SECRET, TYPE, configured, diagnostics, dynamic};

mod other_programs;
mod reference;
mod troubleshooting;

// ---- pages -----------------------------------------------------------------------------------

#[test]
fn reference_pages_match_the_schema() {
    let is_update = std::env::var_os("UPDATE_DOCS").is_some_and(|value| !value.is_empty());
    let mut differing = Vec::new();
    for (path, text) in reference::pages() {
        let file = root().join(&path);
        if is_update {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &text).unwrap();
        }
        if fs::read_to_string(&file).ok() != Some(text) {
            differing.push(path);
        }
    }
    assert!(
        differing.is_empty(),
        "{differing:?} differ from the schema and examples/: run `{}` and review the changes",
        reference::UPDATE,
    );
}

#[test]
fn every_example_is_on_a_page() {
    let pages: String = reference::pages().into_iter().map(|(_, text)| text).collect();
    let mut missing = Vec::new();
    for directory in ["provider", "resources", "list-resources", "data-sources"] {
        for file in reference::files(&root().join("examples").join(directory)) {
            let text = fs::read_to_string(&file).unwrap();
            if !pages.contains(&format!("\n{}\n```\n", text.trim_end())) {
                missing.push(file);
            }
        }
    }
    assert_eq!(missing, Vec::<std::path::PathBuf>::new(), "every example file is on a page");
}

#[test]
fn every_example_is_in_the_index() {
    let directory = root().join("examples");
    let index = fs::read_to_string(directory.join("README.md")).unwrap();
    let names = |path: &Path| -> Vec<String> {
        let entries = fs::read_dir(path).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let mut missing = Vec::new();
    for name in names(&directory).into_iter().filter(|name| name != "README.md") {
        // The directories of resources and modules are listed by what is in them.
        let nested =
            matches!(name.as_str(), "resources" | "list-resources" | "data-sources" | "modules");
        let links = if nested {
            let inner = names(&directory.join(&name)).into_iter();
            inner.map(|inner| format!("]({name}/{inner})")).collect()
        } else {
            vec![format!("]({name})")]
        };
        missing.extend(links.into_iter().filter(|link| !index.contains(link.as_str())));
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// The requirements of the Terraform Registry. Source: its documentation, "Provider documentation".
#[test]
fn pages_meet_the_registrys_requirements() {
    let known = ["data-sources", "guides", "list-resources", "resources"];
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(
            !path.is_dir() || known.contains(&name),
            "docs/{name} is not a directory of the registry"
        );
    }
    for page in pages() {
        let place = Path::new(&page.path);
        let directory = place.parent().unwrap();
        // Other pages are for readers of the repository.
        if page.path != "docs/index.md" && !known.iter().any(|name| directory.ends_with(name)) {
            continue;
        }
        assert!(page.text.len() < 500_000, "{} is too long", page.path);
        let front_matter =
            page.text.strip_prefix("---\n").and_then(|text| text.split_once("\n---\n"));
        let (front_matter, _) =
            front_matter.unwrap_or_else(|| panic!("{}: front matter", page.path));
        for key in ["page_title: \"", "description: |-\n  "] {
            assert!(format!("{front_matter}\n").contains(key), "{}: {key}", page.path);
        }
        let has_subcategory = front_matter.contains("subcategory: \"");
        assert_eq!(has_subcategory, page.path != "docs/index.md", "{}: subcategory", page.path);
    }
}

#[test]
fn links_lead_to_existing_pages_and_headings() {
    let mut broken = Vec::new();
    for page in pages() {
        let directory = root().join(&page.path);
        let directory = directory.parent().unwrap();
        for link in page.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("https://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if file.is_empty() { root().join(&page.path) } else { directory.join(file) };
            let Ok(text) = fs::read_to_string(&target) else {
                broken.push(format!("{}: {link}", page.path));
                continue;
            };
            if !has_anchor(&text, anchor) {
                broken.push(format!("{}: {link}", page.path));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

/// Whether a page has this anchor; `""` is its beginning.
fn has_anchor(text: &str, anchor: &str) -> bool {
    anchor.is_empty()
        || text.contains(&format!("<a id=\"{anchor}\">"))
        || text.lines().any(|line| anchor_of(line).as_deref() == Some(anchor))
}

/// The anchor of a heading.
fn anchor_of(line: &str) -> Option<String> {
    let title = line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'))?;
    let is_kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let kept: String = title.chars().filter(is_kept).collect();
    Some(kept.to_lowercase().replace(' ', "-"))
}

/// A configuration that a user may start from constrains the version of the provider, in the documentation and in what the
/// programs print.
#[test]
fn every_source_has_a_version_constraint() {
    let mut files: Vec<_> =
        ["src/main.rs", "src/plugin/handshake.rs", "emulator/src/introduction.rs"]
            .iter()
            .map(|path| root().join(path))
            .collect();
    files.extend(reference::files(&root().join("examples")));
    files.extend(reference::files(&root().join("i18n")));
    files.extend(pages().iter().map(|page| root().join(&page.path)));
    let mut count = 0;
    let mut missing = Vec::new();
    for file in files.iter().filter(|file| !file.ends_with("quickstart.rs")) {
        let text = fs::read_to_string(file).unwrap().replace("\\\"", "\"");
        for (_, rest) in text.match_indices("\"oss-tools/oss\"").map(|(at, _)| text.split_at(at)) {
            // The end of the line, or the next one.
            let rest: String = rest.lines().take(2).collect();
            if rest.contains("version") {
                count += 1;
            } else {
                missing.push(format!("{}: {rest}", file.display()));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
    assert!(count > 20, "only {count}");
}

// ---- translations ------------------------------------------------------------------------------

/// A translation has the code blocks of its original, and a heading and a table row for each of the original's, with
/// the same code in them, such as error codes and environment variables.
#[test]
fn translations_match_their_originals() {
    let readme = page_at("README.zh-CN.md").text;
    // Headings by their level, and rows of tables; the code in each.
    let outline = |page: &Page| {
        let mut fenced = false;
        let mut outline = Vec::new();
        for line in page.text.lines() {
            fenced ^= line.starts_with("```");
            let level = line.chars().take_while(|c| *c == '#').count();
            if !fenced && (level > 0 || line.starts_with('|')) {
                let code: Vec<String> = codes(line).map(str::to_owned).collect();
                outline.push((level, code));
            }
        }
        outline
    };
    let code = |page: &Page| -> Vec<(String, String)> {
        let blocks = page.blocks.iter();
        blocks.map(|block| (block.language.clone(), block.text.clone())).collect()
    };
    let mut names = Vec::new();
    for file in reference::files(&root().join("i18n/zh-CN")) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let path = format!("i18n/zh-CN/{name}");
        let translation = page_at(&path);
        let original = page_at(&format!("docs/guides/{name}"));
        assert_eq!(outline(&translation), outline(&original), "{path}: headings and tables");
        assert_eq!(code(&translation), code(&original), "{path}: code blocks");
        assert!(readme.contains(&format!("]({path})")), "README.zh-CN.md: {path}");
        for link in translation.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("https://") {
                continue;
            }
            let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if target.is_empty() { file.clone() } else { file.parent().unwrap().join(target) };
            let text = fs::read_to_string(&target).unwrap_or_else(|_| panic!("{path}: {link}"));
            assert!(has_anchor(&text, anchor), "{path}: {link}");
        }
        names.push(name.to_owned());
    }
    names.sort();
    let translated = [
        "authentication.md",
        "choosing-an-algorithm.md",
        "getting-started.md",
        "moving-from-alicloud.md",
        "troubleshooting.md",
    ];
    assert_eq!(names, translated);
}

// ---- examples for newer Terraform versions -----------------------------------------------------

/// A value in a configuration, without references.
fn literal(expression: &hcl::Expression) -> Json {
    serde_json::to_value(hcl::Value::from(expression.clone())).unwrap()
}

/// The blocks of this type in the documentation.
fn blocks_of(name: &str) -> Vec<(Block, hcl::Block)> {
    let blocks = pages().into_iter().flat_map(|page| page.blocks);
    let blocks = blocks.filter(|block| block.is_terraform() && block.has_top_level(name));
    let parsed = blocks.flat_map(|block| {
        let body =
            hcl::parse(&block.text).unwrap_or_else(|error| panic!("{}: {error}", block.place));
        let found: Vec<hcl::Block> =
            body.into_blocks().filter(|parsed| parsed.identifier() == name).collect();
        found.into_iter().map(move |parsed| (block.clone(), parsed))
    });
    parsed.collect()
}

/// An emulator with the buckets in the documentation.
fn account() -> Emulator {
    let config = Config::default()
        .with_credentials(KEY_ID, KEY_SECRET)
        .with_bucket("my-company-logs")
        .with_bucket_in("my-company-invoices", "cn-shanghai")
        .with_bucket("app-web")
        .with_bucket_in("app-far", "cn-shanghai");
    let emulator = Emulator::start(config).unwrap();
    for bucket in ["my-company-logs", "my-company-invoices", "app-web", "app-far"] {
        emulator.set_rule(bucket, EncryptionRule::new("AES256"));
    }
    emulator
}

/// List queries need Terraform 1.14, so this makes its calls to the provider.
#[tokio::test]
async fn every_list_query_in_the_documentation_finds_buckets() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    let queries = blocks_of("list");
    assert!(queries.len() > 2, "only {}", queries.len());
    for (block, query) in queries {
        let place = &block.place;
        assert_eq!(query.labels().len(), 2, "{place}: type and name");
        assert_eq!(query.labels()[0].as_str(), TYPE, "{place}");
        // The arguments of `list`. Source: Terraform's documentation, "list block reference".
        let known = ["config", "count", "for_each", "include_resource", "limit", "provider"];
        let mut config = json!({ "prefix": null, "region": null });
        for structure in query.body() {
            let name = match structure {
                hcl::Structure::Attribute(attribute) => attribute.key(),
                hcl::Structure::Block(block) => block.identifier(),
            };
            assert!(known.contains(&name), "{place}: `{name}` is not an argument of `list`");
        }
        let providers = query.body().attributes().filter(|attribute| attribute.key() == "provider");
        assert_eq!(providers.count(), 1, "{place}: `provider` is required");
        for body in query.body().blocks().map(hcl::Block::body) {
            for attribute in body.attributes() {
                let argument = config.get_mut(attribute.key());
                *argument.unwrap_or_else(|| panic!("{place}: {}", attribute.key())) =
                    literal(attribute.expr());
            }
        }
        let request = pb::list_resource::Request {
            type_name: TYPE.into(),
            config: Some(dynamic(&config)),
            include_resource_object: true,
            limit: 100,
        };
        let mut events = client.list_resource(request).await.unwrap().into_inner();
        let mut found = 0;
        while let Some(event) = events.message().await.unwrap() {
            assert_eq!(diagnostics(&event.diagnostic), Vec::<String>::new(), "{place}");
            found += 1;
        }
        assert!(found > 0, "{place}: nothing is found");
    }
}

/// Imports by identity need Terraform 1.12, so this makes its calls to the provider.
#[tokio::test]
async fn every_import_by_identity_in_the_documentation_imports() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    let mut count = 0;
    for (block, import) in blocks_of("import") {
        let place = &block.place;
        let argument = |name: &str| {
            let mut attributes = import.body().attributes();
            attributes.find(|attribute| attribute.key() == name).map(hcl::Attribute::expr)
        };
        assert!(argument("to").is_some(), "{place}: `to`");
        let Some(identity) = argument("identity").map(literal) else { continue };
        let mut whole = json!({ "bucket": null, "region": null });
        for (name, value) in identity.as_object().unwrap() {
            *whole.get_mut(name).unwrap_or_else(|| panic!("{place}: {name}")) = value.clone();
        }
        let identity = pb::ResourceIdentityData { identity_data: Some(dynamic(&whole)) };
        let request = pb::import_resource_state::Request {
            type_name: TYPE.into(),
            identity: Some(identity),
            ..Default::default()
        };
        let response = client.import_resource_state(request).await.unwrap().into_inner();
        assert_eq!(diagnostics(&response.diagnostics), Vec::<String>::new(), "{place}");
        assert_eq!(response.imported_resources.len(), 1, "{place}");
        count += 1;
    }
    assert!(count > 1, "only {count}");
}

// ---- permissions -------------------------------------------------------------------------------

#[test]
fn policies_in_the_documentation_grant_the_required_actions() {
    let blocks = pages().into_iter().flat_map(|page| page.blocks);
    let mut granted = BTreeSet::new();
    for block in blocks.filter(|block| block.language == "json") {
        let policy: Json = serde_json::from_str(&block.text)
            .unwrap_or_else(|error| panic!("{}: {error}", block.place));
        for statement in policy["Statement"].as_array().into_iter().flatten() {
            let actions = statement["Action"].as_array().into_iter().flatten();
            granted.extend(actions.map(|action| action.as_str().unwrap().to_owned()));
        }
    }
    let needed = [
        Operation::PutBucketEncryption,
        Operation::GetBucketEncryption,
        Operation::DeleteBucketEncryption,
        Operation::ListBuckets,
    ];
    let needed: BTreeSet<String> = needed.into_iter().map(Operation::ram_action).collect();
    assert_eq!(granted, needed);
    for path in [TROUBLESHOOTING, "docs/guides/authentication.md"] {
        let text = page_at(path).text;
        assert!(needed.iter().all(|action| text.contains(action)), "{path}: {needed:?}");
    }
}

/// The tables of endpoints are those that the provider uses.
#[test]
fn documented_endpoints_are_those_of_their_regions() {
    let page = page_at("docs/guides/regions-and-endpoints.md");
    let rows = page.text.lines().filter(|line| line.starts_with("| `cn-"));
    let mut endpoints = 0;
    for row in rows {
        let cells: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        let region = Region::parse(cells[0]).unwrap();
        let types = [EndpointType::Public, EndpointType::Internal, EndpointType::DualStack];
        for (host, endpoint_type) in cells[1..].iter().zip(types) {
            let endpoint = Endpoint::for_region(&region, endpoint_type);
            assert_eq!(endpoint.to_config(), *host, "{row}");
            assert_eq!(endpoint.region().as_ref(), Some(&region), "{row}");
            endpoints += 1;
        }
    }
    assert_eq!(endpoints, 14);
}

/// Each policy grants what its task needs, and nothing else.
#[test]
fn permissions_by_task() {
    let page = page_at("docs/guides/permissions.md");
    let (get, put) = (Operation::GetBucketEncryption, Operation::PutBucketEncryption);
    let (delete, list) = (Operation::DeleteBucketEncryption, Operation::ListBuckets);
    for (task, needed) in
        [("Plan", vec![get]), ("Apply", vec![get, put, delete]), ("List", vec![list, get])]
    {
        let section = |block: &&Block| block.section == task && block.language == "json";
        let policy = page.blocks.iter().find(section).unwrap();
        let policy: Json = serde_json::from_str(&policy.text).unwrap();
        let statements = policy["Statement"].as_array().unwrap().iter();
        let granted: Vec<String> = statements
            .flat_map(|statement| statement["Action"].as_array().unwrap())
            .map(|action| action.as_str().unwrap().to_owned())
            .collect();
        let needed: Vec<String> = needed.into_iter().map(Operation::ram_action).collect();
        assert_eq!(granted, needed, "{task}");
    }
}

#[test]
fn every_guide_is_in_the_tables_of_contents() {
    let readme = page_at("README.md").text;
    for entry in fs::read_dir(root().join("docs/guides")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let guide = name.trim_end_matches(".md");
        assert!(
            reference::GUIDES.iter().any(|(_, file, _)| *file == guide),
            "docs/index.md: {name}"
        );
        assert!(readme.contains(&format!("](docs/guides/{name})")), "README.md: {name}");
    }
}

// ---- troubleshooting ---------------------------------------------------------------------------

const TROUBLESHOOTING: &str = "docs/guides/troubleshooting.md";

/// Every error code, or EC, that a message explains.
fn explained_codes() -> BTreeSet<String> {
    let directory = root().join("src/resources/explain");
    let sources = reference::files(&directory);
    let sources = sources.iter().filter(|path| {
        path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("tests.rs")
            && !path.starts_with(directory.join("tests"))
    });
    let source: String = sources.map(|path| fs::read_to_string(path).unwrap()).collect();
    let is_code = |text: &&str| {
        text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.chars().all(|c| c.is_ascii_alphanumeric())
            && text.chars().any(|c| c.is_ascii_lowercase())
    };
    let is_ec = |text: &&str| {
        text.len() == 13 && text.split('-').all(|part| part.chars().all(|c| c.is_ascii_digit()))
    };
    // Those of OSS are variants; those of other services are texts.
    let variants = source.split("ErrorCode::").skip(1);
    let variants =
        variants.filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next());
    variants
        .chain(source.split('"'))
        .filter(|text| is_code(text) || is_ec(text))
        .map(str::to_owned)
        .collect()
}

/// The codes in a heading such as "`InvalidArgument`, `Other`: …".
fn codes(heading: &str) -> impl Iterator<Item = &str> {
    heading.split('`').skip(1).step_by(2)
}

#[test]
fn the_troubleshooting_guide_has_every_explained_code() {
    let page = page_at(TROUBLESHOOTING);
    let headings = page.text.lines().filter(|line| line.starts_with("### "));
    let described: BTreeSet<String> = headings.flat_map(codes).map(str::to_owned).collect();
    let explained = explained_codes();
    assert!(explained.len() > 25, "{explained:?}");
    let missing: Vec<&String> = explained.difference(&described).collect();
    assert!(missing.is_empty(), "{missing:?} have no section");
}

/// Each section quotes its message.
#[tokio::test]
async fn the_troubleshooting_guide_quotes_the_actual_messages() {
    let page = page_at(TROUBLESHOOTING);
    let headings: Vec<&str> =
        page.text.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    for heading in headings {
        let quoted: Vec<&Block> = page
            .blocks
            .iter()
            .filter(|block| block.heading == heading && block.language == "text")
            .collect();
        assert!(!quoted.is_empty(), "{heading}: quotes no message");
        let message = troubleshooting::message(heading).await;
        let message = message.unwrap_or_else(|| {
            panic!("{heading}: tests/it/docs/troubleshooting.rs has no scenario for it")
        });
        for block in quoted {
            assert!(
                contains(&message, &block.text),
                "{}: says\n{}\nbut the message is\n{message}",
                block.place,
                block.text,
            );
        }
    }
}
