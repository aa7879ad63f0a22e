//! The programs in the guide to Pulumi and CDK for Terraform use the names that these make of the schemas. The guide says which
//! versions ran them.

use std::collections::BTreeSet;

use terraform_provider_oss::provider::{Environment, OssProvider};
use terraform_provider_oss::tfplugin::{self, Provider as _};

use crate::markdown::page_at;

const PAGE: &str = "docs/guides/pulumi-and-cdktf.md";

/// A name of Terraform as Pulumi and CDK for Terraform write it: `sse_algorithm` is `sseAlgorithm`.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &capitalized(word))
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + characters.as_str()
    })
}

/// The arguments of a block and of the blocks in it.
fn arguments(block: &tfplugin::Block) -> BTreeSet<String> {
    let own = block.attributes.iter().map(|attribute| camel_case(attribute.name));
    let nested = block
        .blocks
        .iter()
        .flat_map(|nested| arguments(&nested.block).into_iter().chain([camel_case(nested.name)]));
    own.chain(nested).collect()
}

/// The keys in the parts of the page between `start` and `end`.
fn keys(text: &str, start: &str, end: &str) -> BTreeSet<String> {
    let parts = text.split(start).skip(1).filter_map(|rest| rest.split(end).next());
    let keys = parts
        .flat_map(|part| part.split(['{', ',', '\n']))
        .filter_map(|entry| entry.split_once(':'));
    keys.map(|(key, _)| key.trim().to_owned()).collect()
}

#[test]
fn names_in_the_guide_are_those_of_the_schemas() {
    let page = page_at(PAGE);
    let provider = OssProvider::new(Environment::default());
    let settings = arguments(&provider.schema().block);
    let resources = provider.resources();
    let resource = arguments(&resources[0].schema().block);

    let pulumi = keys(&page.text, "    properties:\n", "\nvariables:");
    let cdktf = keys(&page.text, "BucketEncryption(", "});");
    for used in [&pulumi, &cdktf] {
        assert!(used.contains("sseAlgorithm") && used.is_subset(&resource), "{used:?}");
    }
    let cdktf = keys(&page.text, "new OssProvider(", "});");
    assert!(cdktf.contains("region") && cdktf.is_subset(&settings), "{cdktf:?}");

    let pascal_case = |name: &str| capitalized(&camel_case(name.trim_start_matches("oss_")));
    let types = resources.iter().map(|resource| pascal_case(resource.type_name()));
    let data_sources = provider.data_sources();
    let functions =
        data_sources.iter().map(|source| format!("get{}", pascal_case(source.type_name())));
    let known: BTreeSet<String> = types.chain(functions).collect();
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, ':' | '/');
    let names = page
        .text
        .split(|c| !is_part(c))
        .filter_map(|word| word.strip_prefix("oss:").filter(|name| !name.is_empty()));
    let (mut found, mut configured) = (BTreeSet::new(), BTreeSet::new());
    for name in names.map(|name| name.strip_prefix("index/bucketEncryption:").unwrap_or(name)) {
        if known.contains(name) {
            found.insert(name.to_owned());
        } else {
            assert!(settings.contains(name), "{PAGE}: oss:{name}");
            configured.insert(name.to_owned());
        }
    }
    assert_eq!(found, known, "every resource and data source is on the page");
    assert!(configured.len() > 2, "{configured:?}");
}
