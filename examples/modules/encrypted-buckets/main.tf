locals {
  rules = {
    for key, rule in var.buckets : key => {
      bucket              = coalesce(try(tostring(rule.bucket), null), key)
      sse_algorithm       = rule.sse_algorithm
      kms_master_key_id   = try(rule.kms_master_key_id, null)
      kms_data_encryption = try(rule.kms_data_encryption, null)
      region              = try(rule.region, null)
    }
  }
}

resource "oss_bucket_encryption" "this" {
  for_each = local.rules

  bucket              = each.value.bucket
  sse_algorithm       = each.value.sse_algorithm
  kms_master_key_id   = each.value.kms_master_key_id
  kms_data_encryption = each.value.kms_data_encryption
  region              = each.value.region
}
