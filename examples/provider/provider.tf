terraform {
  required_providers {
    oss = {
      source = "oss-tools/oss"
    }
  }
}

# Keys come from ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET.
provider "oss" {
  region = "cn-hangzhou"
}
