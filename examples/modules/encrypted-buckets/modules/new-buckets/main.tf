resource "alicloud_oss_bucket" "this" {
  for_each = var.buckets

  bucket = coalesce(try(tostring(each.value.bucket), null), each.key)

  lifecycle {
    # The rule belongs to oss_bucket_encryption. This resource reads it back as its own argument, and would plan
    # to remove it.
    ignore_changes = [server_side_encryption_rule]
  }
}

module "encryption" {
  source = "../.."

  # The name comes from the created bucket, so that its rule is set after it exists.
  buckets = {
    for key, rule in var.buckets : key => merge(rule, { bucket = alicloud_oss_bucket.this[key].bucket })
  }
}
