list "oss_bucket_encryption" "all" {
  provider = oss
}

# Only buckets with a prefix in one region, with their rules.
list "oss_bucket_encryption" "apps" {
  provider         = oss
  include_resource = true
  limit            = 500

  config {
    prefix = "app-"
    region = "cn-hangzhou"
  }
}
