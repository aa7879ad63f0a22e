resource "oss_bucket_encryption" "records" {
  bucket        = "my-company-records"
  sse_algorithm = "KMS"

  lifecycle {
    prevent_destroy = true
  }
}
