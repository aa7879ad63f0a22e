list "oss_bucket_encryption" "all" {
  provider = oss
}

# Only some of them, with their rules.
list "oss_bucket_encryption" "apps" {
  provider         = oss
  include_resource = true
  limit            = 500

  config {
    prefix = "app-"
    region = "cn-hangzhou"
  }
}
