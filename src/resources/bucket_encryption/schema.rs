//! The arguments of the resource, of its identity and of its search, as Terraform and its users see
//! them.

use crate::tfplugin::{Attribute, Block, NestedBlock, Schema};

/// The schema.
pub(super) fn schema() -> Schema {
    Schema {
        version: 0,
        block: Block {
            description: "The default server-side encryption of an OSS bucket: how objects are \
                encrypted that are uploaded without encryption headers of their own.\n\n\
                Objects that are in the bucket already stay as they are: setting or changing the rule \
                re-encrypts nothing. Destroying the resource removes the rule; the bucket and its \
                objects stay as they are.\n\n\
                A bucket has one rule. Two resources for the same bucket overwrite each other, and so do \
                this resource and the argument `server_side_encryption_rule` of `alicloud_oss_bucket`. \
                For the same reason `create_before_destroy` must not replace a resource whose bucket \
                stays the same: the new rule would be set first, then removed.\n\n\
                The key that is used needs the RAM actions `oss:GetBucketEncryption`, \
                `oss:PutBucketEncryption` and `oss:DeleteBucketEncryption` on the resource \
                `acs:oss:*:*:{bucket}`.",
            attributes: vec![
                Attribute::required(
                    "bucket",
                    "Name of the bucket: 3 to 63 lower-case letters, digits and hyphens. Changing it \
                     replaces the resource.",
                ),
                Attribute::required(
                    "sse_algorithm",
                    "How new objects are encrypted: `AES256` (keys that OSS manages), `KMS` \
                     (keys of the Key Management Service) or `SM4` (keys that OSS manages, with \
                     the SM4 cipher). In upper case. Can be changed in place.",
                ),
                // Computed as well, so that a state may keep `""` when the argument is removed.
                Attribute::optional_computed(
                    "kms_master_key_id",
                    "Id of the customer master key to use with `sse_algorithm = \"KMS\"`, and only with \
                     it. Not set or empty: the key that OSS manages in KMS. OSS does not check the id \
                     when the rule is set: a wrong one is noticed at the next upload.",
                ),
                Attribute::optional_computed(
                    "kms_data_encryption",
                    "Cipher of the data keys with `sse_algorithm = \"KMS\"`, and only with it: `SM4`. Not \
                     set or empty: AES-256.",
                ),
                Attribute::optional_computed(
                    "region",
                    "Region of the bucket, for example `cn-hangzhou`, when it is not the \
                     provider's region. The request goes to the endpoint of this region; with an \
                     `endpoint` in the provider block only the signature follows it.",
                ),
                Attribute::computed("id", "Name of the bucket."),
            ],
            blocks: vec![NestedBlock {
                name: "timeouts",
                block: Block {
                    description: "How long an operation may take, retries included, as durations such as \
                        `30s`, `5m` or `1h30m`.",
                    attributes: vec![
                        Attribute::optional(
                            "create",
                            "Setting the rule and reading it back. Default `5m`.",
                        ),
                        Attribute::optional("read", "Reading the rule. Default `1m`."),
                        Attribute::optional(
                            "update",
                            "Changing the rule and reading it back. Default `5m`.",
                        ),
                        Attribute::optional("delete", "Removing the rule. Default `5m`."),
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
            description: "Finds the buckets of the account that have a default encryption, each asked at \
                the endpoint of its own region. A bucket that cannot be read is a warning; keys that \
                are refused end the search with an error.\n\n\
                The key that is used needs the RAM actions `oss:ListBuckets` on `acs:oss:*:*:*` and \
                `oss:GetBucketEncryption` on the buckets.",
            attributes: vec![
                Attribute::optional("prefix", "Only buckets whose names begin with this text."),
                Attribute::optional(
                    "region",
                    "Only buckets of this region, for example `cn-hangzhou`.",
                ),
            ],
            blocks: Vec::new(),
        },
    }
}
