# A pipeline without stored keys: the token of its identity provider buys a session of a role.
provider "oss" {
  region = "cn-hangzhou"

  assume_role_with_oidc {
    oidc_provider_arn = "acs:ram::1234567890123456:oidc-provider/pipeline"
    role_arn          = "acs:ram::1234567890123456:role/deploy"
    oidc_token_file   = "/var/run/secrets/oidc-token"
  }
}
