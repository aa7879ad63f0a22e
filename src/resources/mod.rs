//! The resources, one file each, and what they share.
//!
//! A further resource is a file here and a line in [`all`].

pub mod bucket;
mod bucket_encryption;
mod explain;

use crate::oss;
use crate::tfplugin::{Diagnostic, Resource};

/// What a configured provider gives its resources.
#[derive(Debug)]
pub enum ProviderData {
    /// Everything is known.
    Ready(Box<oss::Client>),
    /// These provider arguments are known only after an apply; until then no call can be made.
    Unknown(Vec<String>),
}

impl ProviderData {
    /// The client, or the reason why there cannot be one yet.
    fn client(&self) -> Result<&oss::Client, Diagnostic> {
        match self {
            Self::Ready(client) => Ok(client),
            Self::Unknown(arguments) => Err(explain::unknown_configuration(arguments)),
        }
    }
}

/// All resources of the provider.
#[must_use]
pub fn all() -> Vec<Box<dyn Resource<ProviderData>>> {
    vec![Box::new(bucket_encryption::BucketEncryption)]
}
