# The key that OSS manages in the Key Management Service, with SM4 for the data keys.
resource "oss_bucket_encryption" "records" {
  bucket              = "my-company-records"
  sse_algorithm       = "KMS"
  kms_data_encryption = "SM4"
}
