resource "oss_bucket_encryption" "logs" {
  bucket        = "my-company-logs"
  sse_algorithm = "AES256"
}

moved {
  from = alicloud_oss_bucket_server_side_encryption.logs
  to   = oss_bucket_encryption.logs
}
