locals {
  # The region of each bucket.
  buckets = {
    my-company-logs     = "cn-hangzhou"
    my-company-invoices = "cn-shanghai"
    my-company-media    = "ap-southeast-1"
  }
}

resource "oss_bucket_encryption" "regional" {
  for_each = local.buckets

  bucket        = each.key
  region        = each.value
  sse_algorithm = "AES256"
}
