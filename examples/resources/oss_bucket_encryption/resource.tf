# Keys that OSS manages entirely.
resource "oss_bucket_encryption" "logs" {
  bucket        = "my-company-logs"
  sse_algorithm = "AES256"
}

# A key of the Key Management Service, in a bucket of another region.
resource "oss_bucket_encryption" "invoices" {
  bucket            = "my-company-invoices"
  region            = "cn-shanghai"
  sse_algorithm     = "KMS"
  kms_master_key_id = "9468da86-3509-4f8d-a61e-6eab1eac0000"

  timeouts {
    create = "2m"
  }
}
