terraform {
  required_providers {
    alicloud = {
      source = "aliyun/alicloud"
    }
    oss = {
      source  = "oss-tools/oss"
      version = "~> 0.1"
    }
  }
}

provider "alicloud" {
  region = "cn-hangzhou"
}

provider "oss" {
  region = "cn-hangzhou"
}

resource "alicloud_oss_bucket" "logs" {
  bucket = "my-company-logs"

  lifecycle {
    ignore_changes = [server_side_encryption_rule]
  }
}

resource "alicloud_kms_key" "logs" {
  description            = "Encrypts my-company-logs"
  pending_window_in_days = 30
}

resource "oss_bucket_encryption" "logs" {
  bucket            = alicloud_oss_bucket.logs.bucket
  sse_algorithm     = "KMS"
  kms_master_key_id = alicloud_kms_key.logs.id
}
