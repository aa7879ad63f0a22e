# A role assumed with the credentials of any other source.
provider "oss" {
  region = "cn-hangzhou"

  assume_role {
    role_arn           = "acs:ram::1234567890123456:role/deploy"
    session_name       = "terraform"
    session_expiration = 1800
  }
}
