# Credentials from environment variables, for example ALIBABA_CLOUD_ACCESS_KEY_ID and
# ALIBABA_CLOUD_ACCESS_KEY_SECRET.
terraform {
  required_providers {
    oss = {
      source  = "oss-tools/oss"
      version = "~> 0.1"
    }
  }
}

provider "oss" {
  region = "cn-hangzhou"
}
