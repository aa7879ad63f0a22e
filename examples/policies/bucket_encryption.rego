# Buckets whose names have one of these prefixes must be encrypted with KMS and a specified key.
#
# The input is a plan: terraform plan -out=plan && terraform show -json plan > plan.json
package main

import rego.v1

kms_prefixes := ["prod-", "finance-"]

# A rule that this plan creates, changes or keeps.
deny contains message if {
	some resource in planned
	needs_kms(resource.rule.bucket)
	not has_kms_key(resource.rule, resource.unknown)
	message := sprintf(
		"%s: bucket %s must use sse_algorithm = \"KMS\" with a kms_master_key_id, not %s",
		[resource.address, resource.rule.bucket, described(resource.rule)],
	)
}

# A bucket without a known name could be any bucket.
deny contains message if {
	some resource in planned
	resource.unknown.bucket
	not has_kms_key(resource.rule, resource.unknown)
	message := sprintf(
		"%s: the name of the bucket is known only after apply, so its rule must use sse_algorithm = \"KMS\" with a kms_master_key_id",
		[resource.address],
	)
}

# A rule that this plan deletes, or that moves to another bucket.
deny contains message if {
	some resource in input.resource_changes
	is_rule(resource)
	"delete" in resource.change.actions
	bucket := resource.change.before.bucket
	needs_kms(bucket)
	not keeps_bucket(resource.change)
	message := sprintf("%s: the rule of bucket %s must not be deleted", [resource.address, bucket])
}

# A bucket that a data source has found, and that no resource of this plan encrypts.
deny contains message if {
	some [address, bucket] in found
	needs_kms(bucket.bucket)
	not bucket.bucket in planned_buckets
	object.get(bucket, "error", null) == null
	not has_kms_key(bucket, {})
	message := sprintf(
		"%s: bucket %s must use KMS with a specified key, but it has %s",
		[address, bucket.bucket, described(bucket)],
	)
}

# A bucket that could not be read may be unencrypted.
deny contains message if {
	some [address, bucket] in found
	needs_kms(bucket.bucket)
	bucket.error != null
	message := sprintf("%s: bucket %s could not be read: %s", [address, bucket.bucket, bucket.error])
}

needs_kms(bucket) if {
	some prefix in kms_prefixes
	startswith(bucket, prefix)
}

has_kms_key(rule, _) if {
	rule.sse_algorithm == "KMS"
	not object.get(rule, "kms_master_key_id", null) in {null, ""}
}

# The key is created by the same plan.
has_kms_key(rule, unknown) if {
	rule.sse_algorithm == "KMS"
	unknown.kms_master_key_id
}

described(rule) := "no rule" if not is_string(object.get(rule, "sse_algorithm", null))

described(rule) := rule.sse_algorithm if is_string(object.get(rule, "sse_algorithm", null))

is_rule(resource) if {
	resource.mode == "managed"
	resource.type == "oss_bucket_encryption"
}

# The rules after this plan, with the attributes that are known only after apply.
planned contains {"address": resource.address, "rule": resource.change.after, "unknown": unknown} if {
	some resource in input.resource_changes
	is_rule(resource)
	resource.change.after != null
	unknown := object.get(resource.change, "after_unknown", {})
}

planned_buckets contains resource.rule.bucket if some resource in planned

keeps_bucket(change) if change.before.bucket == change.after.bucket

# The buckets in both data sources, of all modules. Data that is read during the apply is not in the plan.
found contains [resource.address, resource.values] if {
	some resource in read_data
	resource.type == "oss_bucket_encryption"
}

found contains [resource.address, bucket] if {
	some resource in read_data
	resource.type == "oss_bucket_encryptions"
	some bucket in resource.values.buckets
}

read_data contains value if {
	walk(input.prior_state, [_, value])
	value.mode == "data"
}
