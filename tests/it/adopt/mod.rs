//! Managing existing rules: identities, imports by identity, moves from another provider, list queries and
//! generated configuration. The RPCs are those that newer versions of Terraform call.

mod deferral;
mod generated_config;
mod identity;
pub(crate) mod list;
mod moves;

use serde_json::{Value as Json, json};
use terraform_provider_oss::tfplugin::pb;

use super::support::{dynamic, from_dynamic, resource};

const NO_DIAGNOSTICS: [&str; 0] = [];

fn identity(bucket: &str, region: Option<&str>) -> pb::ResourceIdentityData {
    let identity = json!({ "bucket": bucket, "region": region });
    pb::ResourceIdentityData { identity_data: Some(dynamic(&identity)) }
}

/// An identity as `bucket@region`.
fn shown(identity: Option<&pb::ResourceIdentityData>) -> String {
    let Some(identity) = identity else { return "none".to_owned() };
    let identity = from_dynamic(identity.identity_data.as_ref());
    let region = identity["region"].as_str().unwrap_or("-");
    format!("{}@{region}", identity["bucket"].as_str().unwrap())
}

fn aes256(bucket: &str, region: Option<&str>) -> Json {
    resource(json!({ "bucket": bucket, "id": bucket, "sse_algorithm": "AES256", "region": region }))
}
