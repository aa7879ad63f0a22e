# Keys come from the environment, for example from ALIBABA_CLOUD_ACCESS_KEY_ID and
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
