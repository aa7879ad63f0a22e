mock_provider "alicloud" {}
mock_provider "oss" {}

run "each_bucket_is_created_and_gets_its_rule" {
  variables {
    buckets = {
      my-logs  = { sse_algorithm = "AES256" }
      invoices = { sse_algorithm = "KMS", kms_master_key_id = "9468da86", bucket = "my-invoices" }
    }
  }

  assert {
    condition     = toset([for bucket in alicloud_oss_bucket.this : bucket.bucket]) == toset(["my-invoices", "my-logs"])
    error_message = "Not exactly the two buckets are created."
  }

  assert {
    condition     = { for bucket, rule in output.rules : bucket => rule.sse_algorithm } == { my-invoices = "KMS", my-logs = "AES256" }
    error_message = "Not exactly the two rules are set."
  }
}

run "a_region_in_a_rule" {
  command = plan

  variables {
    buckets = { my-logs = { sse_algorithm = "AES256", region = "cn-shanghai" } }
  }

  expect_failures = [var.buckets]
}

run "an_empty_region_is_none" {
  command = plan

  variables {
    buckets = { my-logs = { sse_algorithm = "AES256", region = "" }, my-media = { sse_algorithm = "KMS", region = null } }
  }

  assert {
    condition     = length(alicloud_oss_bucket.this) == 2
    error_message = "Not exactly the two buckets are planned."
  }
}

run "rules_that_are_not_objects" {
  command = plan

  variables {
    buckets = { my-logs = "KMS" }
  }

  expect_failures = [var.buckets]
}

run "names_that_are_lists" {
  command = plan

  variables {
    buckets = { invoices = { sse_algorithm = "KMS", bucket = ["my-invoices"] } }
  }

  expect_failures = [var.buckets]
}

run "names_that_are_objects" {
  command = plan

  variables {
    buckets = { invoices = { sse_algorithm = "KMS", bucket = { name = "my-invoices" } } }
  }

  expect_failures = [var.buckets]
}

run "algorithms_that_are_lists" {
  command = plan

  variables {
    buckets = { my-logs = { sse_algorithm = ["KMS"] } }
  }

  expect_failures = [var.buckets]
}

run "keys_that_are_objects" {
  command = plan

  variables {
    buckets = { my-logs = { sse_algorithm = "KMS", kms_master_key_id = { id = "9468da86" } } }
  }

  expect_failures = [var.buckets]
}

run "ciphers_that_are_lists" {
  command = plan

  variables {
    buckets = { my-logs = { sse_algorithm = "KMS", kms_data_encryption = ["SM4"] } }
  }

  expect_failures = [var.buckets]
}

run "names_that_are_null_or_numbers" {
  command = plan

  variables {
    buckets = { my-logs = { sse_algorithm = "AES256", bucket = null }, archive = { sse_algorithm = "AES256", bucket = 2025 } }
  }

  assert {
    condition     = toset([for bucket in alicloud_oss_bucket.this : bucket.bucket]) == toset(["2025", "my-logs"])
    error_message = "The names are others."
  }
}

run "rules_that_are_null" {
  command = plan

  variables {
    buckets = { my-logs = null }
  }

  expect_failures = [var.buckets]
}
