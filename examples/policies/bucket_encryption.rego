# Buckets whose names have one of these prefixes must be encrypted with KMS and a specified key.
#
# The input is a plan: terraform plan -out=plan && terraform show -json plan > plan.json
package main

import rego.v1

kms_prefixes := ["prod-", "finance-"]

# A key that is known only after apply may turn out to be empty. It passes only if the configuration takes it
# from one of these resources, or if all such keys are allowed.
key_resources := ["alicloud_kms_key"]

allow_unknown_keys := false

# --- The plan itself

deny contains "the input is not a plan: evaluate the output of `terraform show -json PLANFILE`" if not is_plan

is_plan if {
	startswith(input.format_version, "1.")
	is_object(input.planned_values)
}

deny contains "the plan does not contain all changes: make it without -target, -exclude and -allow-deferral, and without errors" if is_incomplete

is_incomplete if input.complete == false

is_incomplete if input.errored == true

is_incomplete if count(input.deferred_changes) > 0

# --- Rules

# A rule that this plan creates, changes or keeps.
deny contains message if {
	some planned in planned_rules
	needs_kms(planned.rule.bucket)
	not has_kms_key(planned)
	message := sprintf(
		"%s: bucket %s must use sse_algorithm = \"KMS\" with a kms_master_key_id, not %s",
		[planned.address, planned.rule.bucket, described(planned)],
	)
}

# A bucket without a known name could be any bucket.
deny contains message if {
	some planned in planned_rules
	planned.unknown.bucket
	not has_kms_key(planned)
	message := sprintf(
		"%s: the name of the bucket is known only after apply, so its rule must use sse_algorithm = \"KMS\" with a kms_master_key_id, not %s",
		[planned.address, described(planned)],
	)
}

# A rule that this plan deletes, or that moves to another bucket. Another resource that sets a rule for the same
# bucket does not help: it may do so before the deletion.
deny contains message if {
	some resource in managed(rule_types)
	"delete" in resource.change.actions
	bucket := resource.change.before.bucket
	needs_kms(bucket)
	not keeps_bucket(resource.change)
	message := sprintf("%s: the rule of bucket %s must not be deleted", [resource.address, bucket])
}

deny contains message if {
	some resource in managed(bucket_types)
	removes_rule(resource)
	bucket := resource.change.before.bucket
	needs_kms(bucket)
	message := sprintf(
		"%s: the rule of bucket %s must not be removed: add ignore_changes = [server_side_encryption_rule]",
		[resource.address, bucket],
	)
}

# --- Buckets

# A bucket that this plan creates or keeps, without a rule.
deny contains message if {
	some resource in buckets_without_rule
	bucket := resource.change.after.bucket
	needs_kms(bucket)
	not is_encrypted(resource)
	message := sprintf(
		"%s: bucket %s has no rule after this plan: set one with an oss_bucket_encryption in the same plan",
		[resource.address, bucket],
	)
}

# Which of them gets which rule is not in the plan.
deny contains message if {
	count(nameless_buckets) > count(nameless_rules)
	some address in nameless_buckets
	message := sprintf(
		"%s: the name of the bucket is known only after apply, and not every such bucket gets a rule in the same plan",
		[address],
	)
}

# A bucket that a data source has found, and whose rule this plan does not set.
deny contains message if {
	some [address, bucket] in found
	needs_kms(bucket.bucket)
	not bucket.bucket in written_buckets
	object.get(bucket, "error", null) == null
	rule := {"rule": bucket, "unknown": {}}
	not has_kms_key(rule)
	message := sprintf(
		"%s: bucket %s must use KMS with a specified key, but it has %s",
		[address, bucket.bucket, described(rule)],
	)
}

# A bucket that could not be read may be unencrypted.
deny contains message if {
	some [address, bucket] in found
	needs_kms(bucket.bucket)
	bucket.error != null
	message := sprintf("%s: bucket %s could not be read: %s", [address, bucket.bucket, bucket.error])
}

# A data source that is read only during the apply.
deny contains message if {
	some resource in input.resource_changes
	is_unread(resource)
	bucket := object.get(resource.change.after, "bucket", "")
	not is_harmless(bucket)
	message := sprintf(
		"%s: the data source is read only during the apply, so its result is not in the plan: remove depends_on, or use only arguments that are known",
		[resource.address],
	)
}

# --- What the plan contains

rule_types := {"oss_bucket_encryption", "alicloud_oss_bucket_server_side_encryption"}

# They can have a rule of their own, in the block server_side_encryption_rule.
bucket_types := {"alicloud_oss_bucket"}

managed(types) := [resource |
	some resource in input.resource_changes
	resource.mode == "managed"
	resource.type in types
]

# The rules after this plan, with the attributes that are known only after apply.
planned_rules contains planned if some planned in separate_rules

# The rule of a bucket that has a resource for its rule is not more than what was there at the last refresh.
planned_rules contains planned if {
	some planned in inline_rules
	is_current(planned)
}

is_current(planned) if planned.is_written

is_current(planned) if not planned.rule.bucket in separate_buckets

separate_rules contains planned if {
	some resource in managed(rule_types)
	resource.change.after != null
	planned := {
		"address": resource.address,
		"type": resource.type,
		"name": resource.name,
		"rule": resource.change.after,
		"unknown": unknown_in(resource.change),
		"is_written": is_written(resource.change),
	}
}

inline_rules contains planned if {
	some resource in managed(bucket_types)
	change := resource.change
	has_inline(change)
	planned := {
		"address": resource.address,
		"type": resource.type,
		"name": resource.name,
		"rule": object.union(inline(change.after), {"bucket": object.get(change.after, "bucket", null)}),
		"unknown": object.union(
			inline(unknown_in(change)),
			{"bucket": object.get(unknown_in(change), "bucket", false)},
		),
		"is_written": is_inline_written(change),
	}
}

# The block as an object, empty if there is none. A block that is known only after apply is `true` in after_unknown.
default inline(_) := {}

inline(values) := values.server_side_encryption_rule[0] if is_array(values.server_side_encryption_rule)

inline(values) := {"sse_algorithm": true} if values.server_side_encryption_rule == true

has_inline(change) if count(inline(change.after)) > 0

has_inline(change) if count(inline(unknown_in(change))) > 0

unknown_in(change) := object.get(change, "after_unknown", {})

removes_rule(resource) if {
	"update" in resource.change.actions
	count(inline(resource.change.before)) > 0
	not has_inline(resource.change)
}

buckets_without_rule contains resource if {
	some resource in managed(bucket_types)
	resource.change.after != null
	not has_inline(resource.change)
	not removes_rule(resource)
}

nameless_buckets contains resource.address if {
	some resource in buckets_without_rule
	resource.change.after_unknown.bucket
}

default is_written(_) := false

is_written(change) if "create" in change.actions

is_written(change) if "update" in change.actions

default is_inline_written(_) := false

is_inline_written(change) if "create" in change.actions

is_inline_written(change) if inline(change.before) != inline(change.after)

written_rules contains planned if {
	some planned in planned_rules
	planned.is_written
}

nameless_rules contains planned if {
	some planned in written_rules
	planned.unknown.bucket
	planned.type in rule_types
}

separate_buckets contains bucket if {
	some planned in separate_rules
	bucket := planned.rule.bucket
}

written_buckets contains bucket if {
	some planned in written_rules
	bucket := planned.rule.bucket
}

# A bucket that exists may keep its rule; one that is created needs a new one.
is_encrypted(resource) if resource.change.after.bucket in written_buckets

is_encrypted(resource) if {
	resource.change.after.bucket in separate_buckets
	not "create" in resource.change.actions
}

# With the ID of the bucket in place of its name.
is_encrypted(resource) if {
	some planned in nameless_rules
	sprintf("%s.%s", [resource.type, resource.name]) in references(planned, "bucket")
}

keeps_bucket(change) if change.before.bucket == change.after.bucket

# The buckets in both data sources, of all modules.
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

is_unread(resource) if {
	resource.mode == "data"
	resource.type == "oss_bucket_encryption"
	resource.change.after_unknown.sse_algorithm
}

is_unread(resource) if {
	resource.mode == "data"
	resource.type == "oss_bucket_encryptions"
	resource.change.after_unknown.buckets
}

is_harmless(bucket) if {
	bucket != ""
	not needs_kms(bucket)
}

is_harmless(bucket) if bucket in written_buckets

# --- Conditions

needs_kms(bucket) if {
	some prefix in kms_prefixes
	is_string(bucket)
	startswith(bucket, prefix)
}

has_kms_key(planned) if {
	planned.rule.sse_algorithm == "KMS"
	not object.get(planned.rule, "kms_master_key_id", null) in {null, ""}
}

has_kms_key(planned) if {
	planned.rule.sse_algorithm == "KMS"
	planned.unknown.kms_master_key_id
	is_known_source(planned)
}

is_known_source(_) if allow_unknown_keys

# Whether the value is the ID itself, or is computed from it, is not in the plan.
is_known_source(planned) if {
	sources := references(planned, "kms_master_key_id") - {"each.key", "count.index"}
	count(sources) > 0
	every source in sources {
		split(source, ".")[0] in key_resources
	}
}

# What the configuration refers to in an argument of the resource, or in one of its blocks. All modules count that
# have a resource of this name.
references(planned, argument) := {reference |
	walk(input.configuration, [_, configured])
	configured.type == planned.type
	configured.name == planned.name
	walk(configured.expressions, [path, expression])
	path[count(path) - 1] == argument
	some reference in expression.references
}

described(planned) := "an algorithm that is known only after apply" if {
	planned.unknown.sse_algorithm
} else := "KMS with a key that is known only after apply" if {
	planned.rule.sse_algorithm == "KMS"
	planned.unknown.kms_master_key_id
} else := "KMS without a key" if {
	planned.rule.sse_algorithm == "KMS"
} else := planned.rule.sse_algorithm if {
	is_string(planned.rule.sse_algorithm)
} else := "no rule"
