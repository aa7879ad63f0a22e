# Uses a mock provider: needs no account, endpoint or credentials. The mock provider has no defaults, because OpenTofu
# rejects them for attributes that the configuration sets.

mock_provider "oss" {}

run "nothing_is_something_too" {
  variables {
    buckets = {}
  }

  assert {
    condition     = length(output.algorithms) == 0 && length(output.kms_master_key_ids) == 0
    error_message = "Without buckets there are outputs."
  }
}

run "a_key_is_the_name_of_the_bucket_unless_the_rule_has_one" {
  command = plan

  variables {
    buckets = {
      my-logs  = { sse_algorithm = "AES256" }
      invoices = { sse_algorithm = "AES256", bucket = "my-invoices" }
      reports  = { sse_algorithm = "AES256", bucket = null }
    }
  }

  assert {
    condition = { for key, rule in oss_bucket_encryption.this : key => rule.bucket } == {
      my-logs  = "my-logs"
      invoices = "my-invoices"
      reports  = "reports"
    }
    error_message = "A rule is planned for another bucket."
  }
}

run "an_empty_rule" {
  command = plan

  variables {
    buckets = { my-logs = {} }
  }

  expect_failures = [var.buckets]
}

run "a_null_algorithm" {
  command = plan

  variables {
    buckets = { my-logs = { sse_algorithm = null } }
  }

  expect_failures = [var.buckets]
}

run "a_misspelled_attribute" {
  command = plan

  variables {
    buckets = { my-logs = { sse_algorithm = "KMS", kms_master_key = "9468da86" } }
  }

  expect_failures = [var.buckets]
}

run "a_misspelled_algorithm_attribute" {
  command = plan

  variables {
    buckets = { my-logs = { sse_algoritm = "KMS" } }
  }

  expect_failures = [var.buckets]
}

run "a_bucket_under_two_keys" {
  command = plan

  variables {
    buckets = {
      my-logs = { sse_algorithm = "KMS" }
      logs    = { sse_algorithm = "AES256", bucket = "my-logs" }
    }
  }

  expect_failures = [var.buckets]
}

run "a_list_of_buckets" {
  command = plan

  variables {
    buckets = ["my-logs"]
  }

  expect_failures = [var.buckets]
}

run "rules_that_are_not_objects" {
  command = plan

  variables {
    buckets = { my-logs = "KMS" }
  }

  expect_failures = [var.buckets]
}

run "regions_that_do_not_exist" {
  command = plan

  variables {
    buckets = { my-logs = { sse_algorithm = "KMS", region = "oss-cn-hangzhou" } }
  }

  expect_failures = [var.buckets]
}

run "an_empty_argument_is_none" {
  command = plan

  variables {
    buckets = { my-logs = { sse_algorithm = "AES256", kms_master_key_id = "", kms_data_encryption = "", region = "" } }
  }

  assert {
    condition     = oss_bucket_encryption.this["my-logs"].sse_algorithm == "AES256"
    error_message = "The algorithm is another one."
  }
}

run "each_bucket_gets_its_own_rule" {
  variables {
    buckets = {
      my-logs     = { sse_algorithm = "AES256" }
      my-invoices = { sse_algorithm = "KMS", kms_master_key_id = "9468da86", kms_data_encryption = "SM4" }
      my-backups  = { sse_algorithm = "KMS", kms_master_key_id = "9468da86", region = "cn-shanghai" }
      my-reports  = { sse_algorithm = "KMS" }
      my-archive  = { sse_algorithm = "SM4" }
    }
  }

  assert {
    condition = (
      oss_bucket_encryption.this["my-invoices"].kms_data_encryption == "SM4" &&
      oss_bucket_encryption.this["my-backups"].region == "cn-shanghai"
    )
    error_message = "An argument did not arrive at its bucket."
  }

  assert {
    condition = { for rule in oss_bucket_encryption.this : rule.bucket => rule.sse_algorithm } == {
      my-archive  = "SM4"
      my-backups  = "KMS"
      my-invoices = "KMS"
      my-logs     = "AES256"
      my-reports  = "KMS"
    }
    error_message = "An algorithm did not arrive at its bucket."
  }

  assert {
    condition     = output.kms_master_key_ids == toset(["9468da86"])
    error_message = "Not exactly the keys that are named are listed."
  }
}

run "names_that_cannot_be_buckets" {
  command = plan

  variables {
    buckets = { My_Logs = { sse_algorithm = "KMS" }, my-logs = { sse_algorithm = "KMS" } }
  }

  expect_failures = [var.buckets]
}

run "old_names_with_underscores" {
  command = plan

  variables {
    buckets = { my_old_logs = { sse_algorithm = "KMS" } }
  }

  assert {
    condition     = oss_bucket_encryption.this["my_old_logs"].bucket == "my_old_logs"
    error_message = "The name is another one."
  }
}

run "names_that_are_lists" {
  command = plan

  variables {
    buckets = { my-logs = { sse_algorithm = "KMS", bucket = ["my-logs"] } }
  }

  expect_failures = [var.buckets]
}

run "names_that_are_too_long" {
  command = plan

  variables {
    buckets = { "this-name-has-sixty-four-characters-which-is-one-more-than-fits1" = { sse_algorithm = "KMS" } }
  }

  expect_failures = [var.buckets]
}

run "algorithms_that_do_not_exist" {
  command = plan

  variables {
    buckets = { my-logs = { sse_algorithm = "aes256" } }
  }

  expect_failures = [var.buckets]
}

run "keys_without_kms" {
  command = plan

  variables {
    buckets = { my-logs = { sse_algorithm = "AES256", kms_master_key_id = "9468da86" } }
  }

  expect_failures = [var.buckets]
}

run "ciphers_without_kms" {
  command = plan

  variables {
    buckets = { my-logs = { sse_algorithm = "SM4", kms_data_encryption = "SM4" } }
  }

  expect_failures = [var.buckets]
}

run "ciphers_that_do_not_exist" {
  command = plan

  variables {
    buckets = { my-logs = { sse_algorithm = "KMS", kms_data_encryption = "AES256" } }
  }

  expect_failures = [var.buckets]
}

run "keys_that_are_lists" {
  command = plan

  variables {
    buckets = { my-logs = { sse_algorithm = "KMS", kms_master_key_id = ["9468da86"] } }
  }

  expect_failures = [var.buckets]
}

run "regions_that_are_objects" {
  command = plan

  variables {
    buckets = { my-logs = { sse_algorithm = "KMS", region = { id = "cn-hangzhou" } } }
  }

  expect_failures = [var.buckets]
}

run "numbers_and_booleans_become_strings" {
  command = plan

  variables {
    buckets = { archive = { sse_algorithm = "KMS", bucket = 2025, kms_master_key_id = true } }
  }

  assert {
    condition     = [for rule in oss_bucket_encryption.this : [rule.bucket, rule.kms_master_key_id]] == [["2025", "true"]]
    error_message = "They were not converted."
  }
}

run "rules_that_are_null" {
  command = plan

  variables {
    buckets = { my-logs = null }
  }

  expect_failures = [var.buckets]
}
