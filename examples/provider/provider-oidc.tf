# A pipeline without stored credentials: it assumes a role with the token of its identity provider.
provider "oss" {
  region = "cn-hangzhou"

  assume_role_with_oidc {
    oidc_provider_arn = "acs:ram::1234567890123456:oidc-provider/pipeline"
    role_arn          = "acs:ram::1234567890123456:role/deploy"
    oidc_token_file   = "/var/run/secrets/oidc-token"
  }
}
