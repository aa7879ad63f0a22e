variable "buckets" {
  description = <<-EOT
    The buckets by name, each with its encryption rule: `sse_algorithm` (required: "AES256", "KMS" or "SM4"),
    `kms_master_key_id`, `kms_data_encryption` ("SM4"), `region`, and `bucket` if the key of the map is not the
    name of the bucket.
  EOT
  nullable    = false

  # Not an object type: Terraform drops attributes that an object type does not declare, so a misspelled one
  # would be ignored without a message.
  type = any

  # Error messages contain keys of the map, never values, which can be sensitive. Keys that are selected by a
  # sensitive value are sensitive too, and Terraform would hide the message; hence `nonsensitive`. Before Terraform
  # 1.8, it fails for a value that is not sensitive, so `sensitive` is applied first.

  # The other conditions use `try`, so that a value of another type is reported here only.
  validation {
    condition     = can([for rule in values(var.buckets) : keys(rule)])
    error_message = "buckets must be a map of objects, for example { my-logs = { sse_algorithm = \"AES256\" } }."
  }

  # Without this check, a list or an object would fail inside the module, or be ignored. Terraform converts numbers
  # and booleans.
  validation {
    condition = try(length([
      for key, rule in var.buckets : key
      if !alltrue([for value in values(rule) : can(tostring(value))])
    ]) == 0, true)
    error_message = format(
      "Every attribute of a rule is a string. A list or an object is in: %s.",
      try(nonsensitive(sensitive(join(", ", [
        for key, rule in var.buckets : key
        if !alltrue([for value in values(rule) : can(tostring(value))])
      ]))), ""),
    )
  }

  validation {
    condition = try(length([
      for key, rule in var.buckets : key
      if length(setsubtract(keys(rule), ["bucket", "kms_data_encryption", "kms_master_key_id", "region", "sse_algorithm"])) > 0
    ]) == 0, true)
    error_message = format(
      "Unsupported attributes: %s. A rule has the attributes sse_algorithm, kms_master_key_id, kms_data_encryption, region and bucket.",
      try(nonsensitive(sensitive(join("; ", [
        for key, rule in var.buckets : "${key}: ${join(", ", setsubtract(keys(rule), ["bucket", "kms_data_encryption", "kms_master_key_id", "region", "sse_algorithm"]))}"
        if length(setsubtract(keys(rule), ["bucket", "kms_data_encryption", "kms_master_key_id", "region", "sse_algorithm"])) > 0
      ]))), ""),
    )
  }

  # With `tostring`, because `contains` of a null without a type is unknown in Terraform 1.16.
  validation {
    condition = try(length([
      for key, rule in var.buckets : key
      if can(keys(rule)) && can(tostring(try(rule.sse_algorithm, null))) && !try(contains(["AES256", "KMS", "SM4"], tostring(rule.sse_algorithm)), false)
    ]) == 0, true)
    error_message = format(
      "sse_algorithm is required and must be \"AES256\", \"KMS\" or \"SM4\", in uppercase. It is missing or invalid for: %s.",
      try(nonsensitive(sensitive(join(", ", [
        for key, rule in var.buckets : key
        if can(keys(rule)) && can(tostring(try(rule.sse_algorithm, null))) && !try(contains(["AES256", "KMS", "SM4"], tostring(rule.sse_algorithm)), false)
      ]))), ""),
    )
  }

  # Names of old buckets may contain underscores.
  validation {
    condition = try(length([
      for key, rule in var.buckets : key
      if !can(regex("^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$", coalesce(try(tostring(rule.bucket), null), key)))
    ]) == 0, true)
    error_message = format(
      "Invalid bucket names: %s. A name has 3 to 63 lowercase letters, digits and hyphens, and begins and ends with a letter or a digit.",
      try(nonsensitive(sensitive(join(", ", [
        for key, rule in var.buckets : key
        if !can(regex("^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$", coalesce(try(tostring(rule.bucket), null), key)))
      ]))), ""),
    )
  }

  # Two rules of one bucket would overwrite each other.
  validation {
    condition = try(length(var.buckets) == length(distinct([
      for key, rule in var.buckets : coalesce(try(tostring(rule.bucket), null), key)
    ])), true)
    error_message = format(
      "A bucket has only one rule, but these keys name the same bucket: %s.",
      try(nonsensitive(sensitive(join("; ", [
        for bucket, keys in { for key, rule in var.buckets : coalesce(try(tostring(rule.bucket), null), key) => key... } :
        join(", ", keys) if length(keys) > 1
      ]))), ""),
    )
  }

  # If no region is set, `coalesce` returns a valid one.
  validation {
    condition = try(length([
      for key, rule in var.buckets : key
      if !can(regex("^[a-z0-9]+-[a-z0-9-]*[a-z0-9]$", coalesce(try(tostring(rule.region), null), "cn-hangzhou"))) || can(regex("^oss-", coalesce(try(tostring(rule.region), null), "cn-hangzhou")))
    ]) == 0, true)
    error_message = format(
      "Invalid regions: %s. Use a region ID without the oss- of host names, for example cn-hangzhou.",
      try(nonsensitive(sensitive(join(", ", [
        for key, rule in var.buckets : key
        if !can(regex("^[a-z0-9]+-[a-z0-9-]*[a-z0-9]$", coalesce(try(tostring(rule.region), null), "cn-hangzhou"))) || can(regex("^oss-", coalesce(try(tostring(rule.region), null), "cn-hangzhou")))
      ]))), ""),
    )
  }

  # `""` is the same as null to the provider, and to this module.
  validation {
    condition = try(length([
      for key, rule in var.buckets : key
      if coalesce(try(tostring(rule.sse_algorithm), null), "KMS") != "KMS" && length(compact([try(tostring(rule.kms_master_key_id), null), try(tostring(rule.kms_data_encryption), null)])) > 0
    ]) == 0, true)
    error_message = format(
      "kms_master_key_id and kms_data_encryption are only valid with sse_algorithm = \"KMS\". Remove them, or use KMS, for: %s.",
      try(nonsensitive(sensitive(join(", ", [
        for key, rule in var.buckets : key
        if coalesce(try(tostring(rule.sse_algorithm), null), "KMS") != "KMS" && length(compact([try(tostring(rule.kms_master_key_id), null), try(tostring(rule.kms_data_encryption), null)])) > 0
      ]))), ""),
    )
  }

  validation {
    condition = try(length([
      for key, rule in var.buckets : key
      if coalesce(try(tostring(rule.sse_algorithm), null), "KMS") == "KMS" && coalesce(try(tostring(rule.kms_data_encryption), null), "SM4") != "SM4"
    ]) == 0, true)
    error_message = format(
      "kms_data_encryption must be \"SM4\" or unset, which means AES-256. It is something else for: %s.",
      try(nonsensitive(sensitive(join(", ", [
        for key, rule in var.buckets : key
        if coalesce(try(tostring(rule.sse_algorithm), null), "KMS") == "KMS" && coalesce(try(tostring(rule.kms_data_encryption), null), "SM4") != "SM4"
      ]))), ""),
    )
  }
}
