//! The reference pages, generated from the schemas and the files in `examples/`. File names and headings are
//! those of HashiCorp's generator `tfplugindocs`, which registry maintainers and tools expect.

use std::fs;
use std::path::{Path, PathBuf};

use terraform_provider_oss::provider::{Environment, OssProvider};
use terraform_provider_oss::resources::ProviderData;
use terraform_provider_oss::tfplugin::{
    Attribute, AttributeType, Block, Configurability, DataSource, Provider as _, Resource, Schema,
};

use crate::markdown::{self, root};

/// The command that writes the pages.
pub(super) const UPDATE: &str = "UPDATE_DOCS=1 cargo test --test it docs::reference_pages";

/// Every reference page: its path and its text.
pub(super) fn pages() -> Vec<(String, String)> {
    let provider = OssProvider::new(Environment::default());
    let mut pages = vec![("docs/index.md".to_owned(), provider_page(&provider.schema()))];
    for resource in provider.resources() {
        let name = resource.type_name().trim_start_matches("oss_");
        pages.push((format!("docs/resources/{name}.md"), resource_page(resource.as_ref())));
        if let Some(list) = resource.list_resource() {
            let page = list_page(resource.type_name(), &list.schema());
            pages.push((format!("docs/list-resources/{name}.md"), page));
        }
    }
    for data_source in provider.data_sources() {
        let name = data_source.type_name().trim_start_matches("oss_");
        pages.push((format!("docs/data-sources/{name}.md"), data_page(data_source.as_ref())));
    }
    pages
}

/// The files below a directory, by name.
pub(super) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in
        fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
    {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    // `resource.tf` before `resource-other.tf`.
    files.sort_by_key(|path| path.with_extension(""));
    files
}

fn provider_page(schema: &Schema) -> String {
    // The minimal one first, then one for each credential source.
    let (plain, sources): (Vec<PathBuf>, Vec<PathBuf>) = examples("provider", "provider", ".tf")
        .into_iter()
        .partition(|path| path.ends_with("provider.tf"));
    [
        head("oss Provider", None, "oss Provider", &schema.block),
        "New users: see [getting started](guides/getting-started.md). For error messages and their \
         solutions, see [troubleshooting](guides/troubleshooting.md).\n\n"
            .to_owned(),
        guides(),
        "\n## Example Usage\n\n".to_owned(),
        code(&plain, "terraform"),
        "\nCredential sources, one block each. [Authentication](guides/authentication.md) describes them, \
         and which one is used if several are configured. [Regions and \
         endpoints](guides/regions-and-endpoints.md) describes how requests reach a bucket.\n\n"
            .to_owned(),
        code(&sources, "terraform"),
        schema_section(&schema.block),
    ]
    .concat()
}

/// The guides: the task, the file, and its name.
pub(super) const GUIDES: [(&str, &str, &str); 13] = [
    ("Encrypt the first bucket", "getting-started", "Getting started"),
    ("Configure credentials", "authentication", "Authentication"),
    ("Grant permissions", "permissions", "Permissions"),
    ("Choose a region or endpoint", "regions-and-endpoints", "Regions and endpoints"),
    ("Choose `AES256`, `KMS` or `SM4`", "choosing-an-algorithm", "Choosing an algorithm"),
    ("Migrate from `aliyun/alicloud`", "moving-from-alicloud", "Moving from alicloud"),
    (
        "Find unencrypted buckets",
        "discovering-unencrypted-buckets",
        "Discovering unencrypted buckets",
    ),
    ("Warn about or reject weak rules", "policies", "Checks and policies"),
    ("Plan and apply in CI", "pipelines", "Pipelines"),
    ("Use Pulumi or CDK for Terraform", "pulumi-and-cdktf", "Pulumi and CDK for Terraform"),
    ("Fix an error", "troubleshooting", "Troubleshooting"),
    ("Install without a registry; publish a release", "release", "Packages and releases"),
    ("Upgrade to a new version", "upgrading", "Upgrading"),
];

/// A table of contents by task.
fn guides() -> String {
    let row = |(task, file, name): &(&str, &str, &str)| {
        format!("| {task} | [{name}](guides/{file}.md) |\n")
    };
    let rows: String = GUIDES.iter().map(row).collect();
    format!("## Guides\n\n| Task | Guide |\n|---|---|\n{rows}")
}

fn resource_page(resource: &dyn Resource<ProviderData>) -> String {
    let name = resource.type_name();
    let schema = resource.schema();
    let code = |start: &str, end: &str, language: &str| {
        code(&examples(&format!("resources/{name}"), start, end), language)
    };
    let identity = resource.identity_schema().map(|identity| {
        [
            "\nBy identity (Terraform or OpenTofu 1.12 and later):\n\n".to_owned(),
            code("import-by-identity", ".tf", "terraform"),
            "\n### Identity Schema\n".to_owned(),
            attributes(&identity.block.attributes, "####"),
        ]
        .concat()
    });
    [
        head(
            &format!("{name} Resource - oss"),
            Some(""),
            &format!("{name} (Resource)"),
            &schema.block,
        ),
        "Vendor documentation: \
         [server-side encryption](https://www.alibabacloud.com/help/en/oss/user-guide/server-side-encryption-8), \
         [KMS](https://www.alibabacloud.com/help/en/kms).\n\n## Example Usage\n"
            .to_owned(),
        usages(&format!("resources/{name}")),
        schema_section(&schema.block),
        permissions("Apply", "`terraform apply` and `terraform destroy` need"),
        "\n## Import\n\nBy ID, with an `import` block (Terraform 1.5 and later). The ID is the name of \
         the bucket, or `bucket@region`:\n\n"
            .to_owned(),
        code("import-by-string-id", ".tf", "terraform"),
        "\nWith the `terraform import` command:\n\n".to_owned(),
        code("import", ".sh", "shell"),
        "\nWrite the `resource` blocks yourself, or generate them from the `import` blocks with \
         `terraform plan -generate-config-out=FILE`. A bucket without an encryption rule cannot be \
         imported.\n"
            .to_owned(),
        identity.unwrap_or_default(),
        "\n## Move\n\nA resource of type `alicloud_oss_bucket_server_side_encryption` from the provider \
         `aliyun/alicloud` can be moved without changes (Terraform 1.8 or OpenTofu 1.10 and later); see \
         [moving from alicloud](../guides/moving-from-alicloud.md).\n\n"
            .to_owned(),
        code("moved", ".tf", "terraform"),
    ]
    .concat()
}

/// The examples of the resource, in the order of the page: the file, its heading and an introduction.
const USAGES: [(&str, &str, &str); 7] = [
    (
        "resource.tf",
        "A bucket and its key",
        "~> **Note:** Keep `ignore_changes` in the bucket. Without it, `alicloud_oss_bucket` plans to remove \
         the encryption rule, because its own configuration has none.\n\nThe resource takes the bucket's name \
         and the key's ID from the resources that create them, so that Terraform creates the rule last and \
         deletes it first.",
    ),
    (
        "resource-existing-buckets.tf",
        "Existing buckets",
        "[Choosing an algorithm](../guides/choosing-an-algorithm.md) explains the values.",
    ),
    (
        "resource-for-each.tf",
        "Many buckets",
        "With `for_each`, one resource sets the same rule on all buckets.",
    ),
    (
        "resource-regions.tf",
        "Several regions",
        "With `region`, one provider block is enough for buckets in several regions.",
    ),
    (
        "resource-accounts.tf",
        "Several accounts",
        "Each further account has its own provider block with an `alias`. In this example, the provider assumes a \
         role in the other account; see [authentication](../guides/authentication.md).",
    ),
    (
        "resource-prevent-destroy.tf",
        "Protection against deletion",
        "With `prevent_destroy`, Terraform rejects plans that would delete the rule.",
    ),
    (
        "resource-module.tf",
        "A module",
        "Copy the module `encrypted-buckets` from `examples/modules/` of the provider's repository. It checks \
         its arguments and has its own tests.",
    ),
];

/// The examples of the resource, each under its heading.
fn usages(directory: &str) -> String {
    let directory = root().join("examples").join(directory);
    let usage = |(file, heading, text): &(&str, &str, &str)| {
        let block = code(&[directory.join(file)], "terraform");
        format!("\n### {heading}\n\n{text}\n\n{block}")
    };
    USAGES.iter().map(usage).collect()
}

fn list_page(name: &str, schema: &Schema) -> String {
    let files = examples(&format!("list-resources/{name}"), "list-resource", ".tfquery.hcl");
    [
        head(
            &format!("{name} List Resource - oss"),
            Some(""),
            &format!("{name} (List Resource)"),
            &schema.block,
        ),
        "`terraform query` requires Terraform 1.14 or later. \
         [Discovering unencrypted buckets](../guides/discovering-unencrypted-buckets.md) shows how to use \
         the results, and what to do with older versions. A query returns at most `limit` results (100 if `limit` is \
         not set) and warns if there may be more.\n\n## Example Usage\n\n"
            .to_owned(),
        code(&files, "terraform"),
        schema_section(&schema.block),
        permissions("List", "The query needs"),
    ]
    .concat()
}

fn data_page(data_source: &dyn DataSource<ProviderData>) -> String {
    let name = data_source.type_name();
    let task = if name.ends_with('s') { "List" } else { "Plan" };
    let schema = data_source.schema();
    let files = examples(&format!("data-sources/{name}"), "data-source", ".tf");
    [
        head(
            &format!("{name} Data Source - oss"),
            Some(""),
            &format!("{name} (Data Source)"),
            &schema.block,
        ),
        "[Discovering unencrypted buckets](../guides/discovering-unencrypted-buckets.md) and \
         [Checks and policies](../guides/policies.md) show how to use the result.\n\n## Example Usage\n\n"
            .to_owned(),
        code(&files, "terraform"),
        schema_section(&schema.block),
        permissions(task, "The data source needs"),
    ]
    .concat()
}

/// The policy of a task, from the guide, so that each policy is written and checked once.
fn permissions(task: &str, needs: &str) -> String {
    let guide = markdown::page_at("docs/guides/permissions.md");
    let is_policy = |block: &&markdown::Block| block.section == task && block.language == "json";
    let policy = guide.blocks.iter().find(is_policy).expect(task);
    format!(
        "\n## Permissions\n\n{needs} these permissions. \
         [Permissions](../guides/permissions.md) explains them and has policies for other tasks.\n\n\
         ```json\n{}\n```\n",
        policy.text.trim_end()
    )
}

/// The files in a directory of `examples/` whose names start and end so.
fn examples(directory: &str, start: &str, end: &str) -> Vec<PathBuf> {
    let is_wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(start) && name.ends_with(end)
    };
    let found: Vec<PathBuf> =
        files(&root().join("examples").join(directory)).into_iter().filter(is_wanted).collect();
    assert!(!found.is_empty(), "examples/{directory}/{start}*{end} is missing");
    found
}

/// The files as code blocks, separated by empty lines.
fn code(files: &[PathBuf], language: &str) -> String {
    let block = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap();
        format!("```{language}\n{}\n```\n", text.trim_end())
    };
    files.iter().map(block).collect::<Vec<_>>().join("\n")
}

/// Front matter, a note that the page is generated, heading and description.
fn head(title: &str, subcategory: Option<&str>, heading: &str, block: &Block) -> String {
    let subcategory =
        subcategory.map(|text| format!("subcategory: {text:?}\n")).unwrap_or_default();
    let plain = first_paragraph(block).replace('`', "");
    format!(
        "---\npage_title: {title:?}\n{subcategory}description: |-\n  {plain}\n---\n\n\
         <!-- Generated from the schema and examples/ by `{UPDATE}`. -->\n\n\
         # {heading}\n\n{}\n\n",
        block.description,
    )
}

fn schema_section(block: &Block) -> String {
    let lists = GROUPS.iter().map(|(title, is_listed)| {
        let mut list = attributes_of(&block.attributes, *is_listed);
        // All nested blocks are optional.
        if *title == "Optional" {
            list.extend(block.blocks.iter().map(|nested| {
                let (name, text) = (nested.name, first_paragraph(&nested.block));
                let kind = if nested.is_repeatable { "Block List" } else { "Block" };
                format!("- `{name}` ({kind}) {text} See [below](#nestedblock--{name}).\n")
            }));
        }
        titled("###", title, &list)
    });
    let nested = block.blocks.iter().map(|nested| {
        let name = nested.name;
        assert!(nested.block.blocks.is_empty(), "{name}: only one level of nesting is supported");
        format!(
            "\n<a id=\"nestedblock--{name}\"></a>\n\n### Nested Schema for `{name}`\n{}",
            attributes(&nested.block.attributes, "####")
        )
    });
    let objects = block.attributes.iter().filter_map(|attribute| {
        let AttributeType::ObjectList(nested) = &attribute.attribute_type else { return None };
        let name = attribute.name;
        Some(format!(
            "\n<a id=\"nestedatt--{name}\"></a>\n\n### Nested Schema for `{name}`\n{}",
            attributes(nested, "####")
        ))
    });
    let sections = lists.chain(nested).chain(objects);
    ["\n## Schema\n".to_owned()].into_iter().chain(sections).collect()
}

type Group = (&'static str, fn(&Attribute) -> bool);

/// The groups of attributes, by who sets them.
const GROUPS: [Group; 3] = [
    ("Required", |attribute| attribute.configurability == Configurability::Required),
    ("Optional", |attribute| {
        matches!(
            attribute.configurability,
            Configurability::Optional | Configurability::OptionalComputed
        )
    }),
    ("Read-Only", |attribute| attribute.configurability == Configurability::Computed),
];

/// Attributes in their groups, each under a heading of this level.
fn attributes(attributes: &[Attribute], level: &str) -> String {
    let groups = GROUPS.iter();
    groups
        .map(|(title, is_listed)| titled(level, title, &attributes_of(attributes, *is_listed)))
        .collect()
}

/// A list under a heading; nothing if it is empty.
fn titled(level: &str, title: &str, list: &[String]) -> String {
    if list.is_empty() { String::new() } else { format!("\n{level} {title}\n\n{}", list.concat()) }
}

fn attributes_of(attributes: &[Attribute], is_listed: fn(&Attribute) -> bool) -> Vec<String> {
    let line = |attribute: &Attribute| {
        let (name, description) = (attribute.name, attribute.description);
        let (kind, below) = match attribute.attribute_type {
            AttributeType::Bool => ("Boolean", String::new()),
            AttributeType::Number => ("Number", String::new()),
            AttributeType::String => ("String", String::new()),
            AttributeType::ObjectList(_) => {
                ("Attributes List", format!(" See [below](#nestedatt--{name})."))
            }
        };
        let sensitive = if attribute.is_sensitive { ", Sensitive" } else { "" };
        format!("- `{name}` ({kind}{sensitive}) {description}{below}\n")
    };
    attributes.iter().filter(|attribute| is_listed(attribute)).map(line).collect()
}

fn first_paragraph(block: &Block) -> &str {
    block.description.split("\n\n").next().unwrap_or_default()
}
