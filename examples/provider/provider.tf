# Credentials from environment variables, for example ALIBABA_CLOUD_ACCESS_KEY_ID and
# ALIBABA_CLOUD_ACCESS_KEY_SECRET.
terraform {
  required_providers {
    oss = {
      source = "oss-tools/oss"
    }
  }
}

provider "oss" {
  region = "cn-hangzhou"
}
