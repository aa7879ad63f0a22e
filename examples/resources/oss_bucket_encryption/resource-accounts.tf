provider "oss" {
  region = "cn-hangzhou"
}

provider "oss" {
  alias  = "audit"
  region = "cn-hangzhou"

  assume_role {
    role_arn = "acs:ram::6543210987654321:role/terraform"
  }
}

resource "oss_bucket_encryption" "logs" {
  bucket        = "my-company-logs"
  sse_algorithm = "AES256"
}

resource "oss_bucket_encryption" "audit" {
  provider = oss.audit

  bucket        = "my-company-audit"
  sse_algorithm = "KMS"
}
