terraform {
  # `terraform test` mocks providers from 1.7 on; the module itself needs 1.5.
  required_version = ">= 1.5"

  required_providers {
    alicloud = {
      source = "aliyun/alicloud"
    }
    oss = {
      source  = "oss-tools/oss"
      version = ">= 0.1"
    }
  }
}
