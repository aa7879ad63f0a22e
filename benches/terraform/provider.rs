//! The providers that are compared.

use std::fs;
use std::path::{Path, PathBuf};

/// A provider, and how a resource of it is configured.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    /// Its name in the results.
    pub(crate) name: String,
    /// `namespace/name`.
    pub(crate) address: String,
    pub(crate) binary: PathBuf,
    pub(crate) resource_type: String,
    /// The arguments of a resource, with `BUCKET` and `ALGORITHM`.
    pub(crate) arguments: &'static str,
    /// The configuration without the resources.
    pub(crate) header: String,
    /// Additional environment variables.
    pub(crate) variables: Vec<(&'static str, PathBuf)>,
}

/// The arguments of the builtin resource.
pub(crate) const BUILTIN_ARGUMENTS: &str =
    "  input = { bucket = BUCKET, sse_algorithm = ALGORITHM }\n";
const ARGUMENTS: &str = "  bucket = BUCKET\n  sse_algorithm = ALGORITHM\n";
const RESOURCE_TYPE: &str = "oss_bucket_encryption";

impl Provider {
    /// A build of this provider.
    pub(crate) fn this(name: &str, binary: &Path) -> Self {
        Self {
            name: name.to_owned(),
            address: "oss-tools/oss".to_owned(),
            binary: binary.to_owned(),
            resource_type: RESOURCE_TYPE.to_owned(),
            arguments: ARGUMENTS,
            header: header(
                "oss",
                "oss-tools/oss",
                "  region = \"cn-hangzhou\"\n  endpoint = var.endpoint\n",
            ),
            variables: Vec::new(),
        }
    }

    /// The bare plugin, which has the schema of this provider.
    pub(crate) fn bare(files: &Path) -> Self {
        let address = "benchmarks/bare".to_owned();
        let header = Self::this("", files).header.replace("oss-tools/oss", &address);
        Self {
            address,
            header,
            variables: vec![(super::bare::FILES, files.to_owned())],
            ..Self::this("bare plugin", &std::env::current_exe().unwrap())
        }
    }

    /// An item of `PEERS`: `name=path`, or `name=path;address;resource type;configuration file`.
    pub(crate) fn peer(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('=')?;
        let parts: Vec<&str> = rest.split(';').collect();
        let binary = std::path::absolute(parts.first()?).ok().filter(|path| path.is_file())?;
        match parts.as_slice() {
            [_] if name.starts_with("null") => Some(Self {
                name: name.to_owned(),
                address: "hashicorp/null".to_owned(),
                binary,
                resource_type: "null_resource".to_owned(),
                arguments: "  triggers = { bucket = BUCKET, sse_algorithm = ALGORITHM }\n",
                header: header("null", "hashicorp/null", ""),
                variables: Vec::new(),
            }),
            [_] => Some(Self::this(name, &binary)),
            [_, address, resource_type, file] => Some(Self {
                name: name.to_owned(),
                address: (*address).to_owned(),
                binary,
                resource_type: (*resource_type).to_owned(),
                arguments: ARGUMENTS,
                header: fs::read_to_string(file).ok()?,
                variables: Vec::new(),
            }),
            _ => None,
        }
    }
}

fn header(name: &str, address: &str, arguments: &str) -> String {
    format!(
        "terraform {{\n  required_providers {{\n    {name} = {{ source = \"registry.terraform.io/{address}\" }}\n  \
         }}\n}}\n\nvariable \"endpoint\" {{}}\n\nprovider \"{name}\" {{\n{arguments}}}\n\n"
    )
}
