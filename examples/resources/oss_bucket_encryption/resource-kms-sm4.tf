# The default CMK managed by KMS, with SM4 data keys.
resource "oss_bucket_encryption" "records" {
  bucket              = "my-company-records"
  sse_algorithm       = "KMS"
  kms_data_encryption = "SM4"
}
