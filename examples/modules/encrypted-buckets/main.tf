resource "oss_bucket_encryption" "this" {
  for_each = var.buckets

  bucket              = each.key
  sse_algorithm       = each.value.sse_algorithm
  kms_master_key_id   = each.value.kms_master_key_id
  kms_data_encryption = each.value.kms_data_encryption
  region              = each.value.region
}
