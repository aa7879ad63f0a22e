# Outside the check block: inside, every plan would report a change.
data "oss_bucket_encryptions" "audited" {
  prefix = "my-company-"
}

# Warns in each plan and apply.
check "all_buckets_are_encrypted" {
  assert {
    condition     = length(data.oss_bucket_encryptions.audited.buckets) > 0
    error_message = "There is no bucket to check."
  }

  assert {
    condition = alltrue([
      for bucket in data.oss_bucket_encryptions.audited.buckets : bucket.sse_algorithm != null
    ])
    error_message = "These buckets are unencrypted or could not be read: ${join(", ", [
      for bucket in data.oss_bucket_encryptions.audited.buckets : bucket.bucket
      if bucket.sse_algorithm == null
    ])}."
  }
}
