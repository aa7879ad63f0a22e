# Warns in each plan and apply.
check "all_buckets_are_encrypted" {
  data "oss_bucket_encryptions" "audited" {
    prefix = "my-company-"
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
