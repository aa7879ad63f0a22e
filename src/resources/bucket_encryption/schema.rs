//! The arguments of the resource, of its identity and of its search, as Terraform and its users see
//! them.

use crate::tfplugin::{Attribute, Block, NestedBlock, Schema};

/// The schema.
pub(super) fn schema() -> Schema {
    Schema {
        version: 0,
        block: Block {
            description: "The default server-side encryption of an OSS bucket: how objects are \
                encrypted that are uploaded without encryption headers of their own. Existing \
                objects are not re-encrypted. Destroying the resource removes the rule; the \
                bucket and its objects stay as they are.",
            attributes: vec![
                Attribute::required(
                    "bucket",
                    "Name of the bucket. Changing it replaces the resource.",
                ),
                Attribute::required(
                    "sse_algorithm",
                    "How new objects are encrypted: `AES256` (keys that OSS manages), `KMS` \
                     (keys of the Key Management Service) or `SM4` (keys that OSS manages, with \
                     the SM4 cipher).",
                ),
                // Computed as well, so that a state may keep `""` when the argument is removed.
                Attribute::optional_computed(
                    "kms_master_key_id",
                    "Id of the customer master key to use with `sse_algorithm = \"KMS\"`. Not set or \
                     empty: the key that OSS manages in KMS. OSS does not check the id here: a \
                     wrong one is noticed at the next upload.",
                ),
                Attribute::optional_computed(
                    "kms_data_encryption",
                    "Cipher of the data keys with `sse_algorithm = \"KMS\"`: `SM4`. Not set: AES-256.",
                ),
                Attribute::optional_computed(
                    "region",
                    "Region of the bucket, for example `cn-hangzhou`, when it is not the \
                     provider's region.",
                ),
                Attribute::computed("id", "Name of the bucket."),
            ],
            blocks: vec![NestedBlock {
                name: "timeouts",
                block: Block {
                    description: "How long an operation may take, retries included.",
                    attributes: vec![
                        Attribute::optional("create", "For example `30s`. Default `5m`."),
                        Attribute::optional("read", "For example `30s`. Default `1m`."),
                        Attribute::optional("update", "For example `30s`. Default `5m`."),
                        Attribute::optional("delete", "For example `30s`. Default `5m`."),
                    ],
                    blocks: Vec::new(),
                },
            }],
        },
    }
}

/// What tells one rule from all others. The name of a bucket would do: it is unique in the world. The
/// region says where to ask.
pub(super) fn identity_schema() -> Schema {
    Schema {
        version: 0,
        block: Block {
            attributes: vec![
                Attribute::required("bucket", "Name of the bucket."),
                Attribute::optional(
                    "region",
                    "Region of the bucket, when it is not the provider's.",
                ),
            ],
            ..Block::default()
        },
    }
}

/// The `config` block of a search.
pub(super) fn list_schema() -> Schema {
    Schema {
        version: 0,
        block: Block {
            description: "Finds the buckets of the account that have a default encryption.",
            attributes: vec![
                Attribute::optional("prefix", "Only buckets whose names begin with it."),
                Attribute::optional(
                    "region",
                    "Only buckets of this region, for example `cn-hangzhou`.",
                ),
            ],
            blocks: Vec::new(),
        },
    }
}
