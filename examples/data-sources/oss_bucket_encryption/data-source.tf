data "oss_bucket_encryption" "logs" {
  bucket = "my-company-logs"
}

# Null if the bucket has no encryption rule.
output "logs_sse_algorithm" {
  value = data.oss_bucket_encryption.logs.sse_algorithm
}
