# Uses the local OSS emulator, with existing buckets: README.md explains how to start it.

provider "oss" {
  region   = "cn-hangzhou"
  endpoint = "http://127.0.0.1:8680"
}

run "set" {
  variables {
    buckets = {
      module-logs     = { sse_algorithm = "AES256" }
      module-invoices = { sse_algorithm = "KMS", kms_master_key_id = "9468da86", kms_data_encryption = "SM4" }
    }
  }

  assert {
    condition     = output.algorithms == { module-invoices = "KMS", module-logs = "AES256" }
    error_message = "Not exactly the two rules are set."
  }

  assert {
    condition     = output.kms_master_key_ids == toset(["9468da86"])
    error_message = "Not exactly the key that is named is listed."
  }

  assert {
    condition = (
      output.rules["module-invoices"].kms_master_key_id == "9468da86" &&
      output.rules["module-invoices"].kms_data_encryption == "SM4" &&
      output.rules["module-logs"].kms_master_key_id == null
    )
    error_message = "The output does not say what is set."
  }
}

run "plan_again" {
  command = plan

  variables {
    buckets = {
      module-logs     = { sse_algorithm = "AES256" }
      module-invoices = { sse_algorithm = "KMS", kms_master_key_id = "9468da86", kms_data_encryption = "SM4" }
    }
  }

  assert {
    condition     = oss_bucket_encryption.this["module-logs"].kms_master_key_id == null
    error_message = "A rule without a key is read with one."
  }
}

run "change_one_and_remove_the_other" {
  variables {
    buckets = { module-logs = { sse_algorithm = "SM4" } }
  }

  assert {
    condition     = output.algorithms == { module-logs = "SM4" }
    error_message = "Not exactly the rule that is left is set."
  }

  assert {
    condition     = length(output.kms_master_key_ids) == 0
    error_message = "A key is listed that is not used any more."
  }
}
