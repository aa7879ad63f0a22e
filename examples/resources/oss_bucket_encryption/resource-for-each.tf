resource "oss_bucket_encryption" "company" {
  for_each = toset(["my-company-logs", "my-company-records", "my-company-drafts"])

  bucket        = each.key
  sse_algorithm = "KMS"
}
