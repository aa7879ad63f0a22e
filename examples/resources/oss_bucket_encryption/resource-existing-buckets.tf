# OSS-managed keys (SSE-OSS).
resource "oss_bucket_encryption" "logs" {
  bucket        = "my-company-logs"
  sse_algorithm = "AES256"
}

# The default CMK managed by KMS, with SM4 data keys.
resource "oss_bucket_encryption" "records" {
  bucket              = "my-company-records"
  sse_algorithm       = "KMS"
  kms_data_encryption = "SM4"
}

# A specified CMK, for a bucket in another region.
resource "oss_bucket_encryption" "invoices" {
  bucket            = "my-company-invoices"
  region            = "cn-shanghai"
  sse_algorithm     = "KMS"
  kms_master_key_id = "9468da86-3509-4f8d-a61e-6eab1eac0000"

  timeouts {
    create = "2m"
  }
}
