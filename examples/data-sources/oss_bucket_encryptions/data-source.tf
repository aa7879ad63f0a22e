data "oss_bucket_encryptions" "all" {}

locals {
  unencrypted = [
    for bucket in data.oss_bucket_encryptions.all.buckets : bucket
    if bucket.sse_algorithm == null && bucket.error == null
  ]
}

output "unencrypted" {
  value = local.unencrypted[*].bucket
}
