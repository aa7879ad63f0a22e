//! The arguments of the resource and of its list resource, as documented and shown to users.

use crate::resources::bucket::timeouts_block;
use crate::tfplugin::{Attribute, Block, Schema};

use super::filter;

pub(super) fn schema() -> Schema {
    Schema {
        version: 0,
        block: Block {
            description: "Manages the default server-side encryption of an OSS bucket, which applies to \
                objects uploaded without their own encryption headers.\n\n\
                -> **Note:** Existing objects are not re-encrypted when the rule is set, changed or deleted. \
                Destroying the resource deletes only the encryption rule, not the bucket or its objects.\n\n\
                ~> **Note:** A bucket has only one encryption rule. Do not manage it with two resources, or \
                with this resource and the `server_side_encryption_rule` argument of \
                `alicloud_oss_bucket`: they would overwrite each other.\n\n\
                ~> **Note:** If you rename the resource or move it into a module, add a `moved` block. Without one, the \
                bucket may have no rule for a moment during the apply. If the new address uses another provider \
                `alias`, or is imported in the same run, the rule is deleted.\n\n\
                Requires the RAM actions `oss:GetBucketEncryption`, `oss:PutBucketEncryption` and \
                `oss:DeleteBucketEncryption` on the resource `acs:oss:*:*:{bucket}`.",
            attributes: vec![
                Attribute::required(
                    "bucket",
                    "Name of the bucket, 3 to 63 lowercase letters, digits and hyphens; names of old \
                     buckets may also contain underscores. Changing this forces a new resource.",
                ),
                Attribute::required(
                    "sse_algorithm",
                    "Encryption algorithm: `AES256` (OSS-managed keys), `KMS` (keys managed by Key \
                     Management Service) or `SM4` (OSS-managed keys with the SM4 cipher). Must be uppercase. \
                     Can be changed in place.",
                ),
                // Also computed, so that a state may keep `""` after the argument is removed.
                Attribute::optional_computed(
                    "kms_master_key_id",
                    "ID of the customer master key (CMK). Only valid with `sse_algorithm = \"KMS\"`. If unset \
                     or empty, the default CMK is used. OSS does not check the ID when the rule is set: \
                     with a wrong ID, later uploads fail.",
                ),
                Attribute::optional_computed(
                    "kms_data_encryption",
                    "Cipher of the data keys: `SM4`. Only valid with `sse_algorithm = \"KMS\"`. If unset or \
                     empty, AES-256 is used.",
                ),
                Attribute::optional_computed(
                    "region",
                    "Region of the bucket, for example `cn-hangzhou`. Defaults to the provider's region. \
                     Requests go to the endpoint of this region; if the provider sets `endpoint`, only the \
                     signing region changes.",
                ),
                Attribute::computed("id", "Name of the bucket."),
            ],
            blocks: vec![timeouts_block([
                "Timeout for setting the rule and reading it back. Defaults to `5m`.",
                "Timeout for reading the rule. Defaults to `1m`.",
                "Timeout for changing the rule and reading it back. Defaults to `5m`.",
                "Timeout for deleting the rule. Defaults to `5m`.",
            ])],
        },
    }
}

/// The `config` block of the list resource.
pub(super) fn list_schema() -> Schema {
    Schema {
        version: 0,
        block: Block {
            description: "Lists the buckets of the account that have an encryption rule. The rule of each \
                bucket is read at the endpoint of its region. Buckets that cannot be read produce a warning; \
                rejected credentials stop the query with an error.\n\n\
                Requires the RAM actions `oss:ListBuckets` on `acs:oss:*:*:*` and \
                `oss:GetBucketEncryption` on the buckets.",
            attributes: filter::attributes(),
            blocks: Vec::new(),
        },
    }
}
