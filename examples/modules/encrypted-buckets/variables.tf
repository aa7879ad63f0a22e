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

  # The other conditions use `try`, so that a value of another type is reported here only.
  validation {
    condition     = can([for rule in values(var.buckets) : keys(rule)])
    error_message = "buckets must be a map of objects, for example { my-logs = { sse_algorithm = \"AES256\" } }."
  }

  validation {
    condition = try(alltrue([
      for rule in values(var.buckets) : length(setsubtract(keys(rule), ["bucket", "kms_data_encryption", "kms_master_key_id", "region", "sse_algorithm"])) == 0
    ]), true)
    error_message = format(
      "Unsupported attributes: %s. A rule has the attributes sse_algorithm, kms_master_key_id, kms_data_encryption, region and bucket.",
      try(join("; ", [
        for key, rule in var.buckets : "${key}: ${join(", ", setsubtract(keys(rule), ["bucket", "kms_data_encryption", "kms_master_key_id", "region", "sse_algorithm"]))}"
        if length(setsubtract(keys(rule), ["bucket", "kms_data_encryption", "kms_master_key_id", "region", "sse_algorithm"])) > 0
      ]), ""),
    )
  }

  # With `tostring`, because `contains` of a null without a type is unknown in Terraform 1.16.
  validation {
    condition = try(alltrue([
      for rule in values(var.buckets) : try(contains(["AES256", "KMS", "SM4"], tostring(rule.sse_algorithm)), false)
      if can(keys(rule))
    ]), true)
    error_message = format(
      "sse_algorithm is required and must be \"AES256\", \"KMS\" or \"SM4\", in uppercase. It is missing or invalid for: %s.",
      try(join(", ", [
        for key, rule in var.buckets : key
        if can(keys(rule)) && !try(contains(["AES256", "KMS", "SM4"], tostring(rule.sse_algorithm)), false)
      ]), ""),
    )
  }

  # Underscores are in the names of old buckets only.
  validation {
    condition = try(alltrue([
      for key, rule in var.buckets :
      can(regex("^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$", coalesce(try(rule.bucket, null), key)))
    ]), true)
    error_message = format(
      "Invalid bucket names: %s. A name has 3 to 63 lowercase letters, digits and hyphens, and begins and ends with a letter or a digit.",
      try(join(", ", [
        for key, rule in var.buckets : coalesce(try(tostring(rule.bucket), null), key)
        if !can(regex("^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$", coalesce(try(rule.bucket, null), key)))
      ]), ""),
    )
  }

  # Two rules of one bucket would overwrite each other.
  validation {
    condition = try(length(var.buckets) == length(distinct([
      for key, rule in var.buckets : coalesce(try(rule.bucket, null), key)
    ])), true)
    error_message = format(
      "A bucket has only one rule, but these are named by several keys: %s.",
      try(join("; ", [
        for bucket, keys in { for key, rule in var.buckets : coalesce(try(rule.bucket, null), key) => key... } :
        "${bucket} (${join(", ", keys)})" if length(keys) > 1
      ]), ""),
    )
  }

  validation {
    condition = try(alltrue([
      for rule in values(var.buckets) : can(regex("^([a-z0-9]+-[a-z0-9-]*[a-z0-9])?$", rule.region)) && !can(regex("^oss-", rule.region))
      if try(rule.region, null) != null
    ]), true)
    error_message = format(
      "Invalid regions: %s. Use a region ID without the oss- of host names, for example cn-hangzhou.",
      try(join(", ", [
        for key, rule in var.buckets : "${key}: ${rule.region}"
        if try(rule.region, null) != null && !(can(regex("^([a-z0-9]+-[a-z0-9-]*[a-z0-9])?$", rule.region)) && !can(regex("^oss-", rule.region)))
      ]), ""),
    )
  }

  # `""` is the same as null to the provider, and to this module.
  validation {
    condition = try(alltrue([
      for rule in values(var.buckets) :
      rule.sse_algorithm == "KMS" || length(compact([try(rule.kms_master_key_id, null), try(rule.kms_data_encryption, null)])) == 0
    ]), true)
    error_message = format(
      "kms_master_key_id and kms_data_encryption are only valid with sse_algorithm = \"KMS\". Remove them, or use KMS, for: %s.",
      try(join(", ", [
        for key, rule in var.buckets : key
        if rule.sse_algorithm != "KMS" && length(compact([try(rule.kms_master_key_id, null), try(rule.kms_data_encryption, null)])) > 0
      ]), ""),
    )
  }

  validation {
    condition = try(alltrue([
      for rule in values(var.buckets) :
      rule.sse_algorithm != "KMS" || contains(["", "SM4"], coalesce(try(rule.kms_data_encryption, null), "SM4"))
    ]), true)
    error_message = format(
      "kms_data_encryption must be \"SM4\" or unset, which means AES-256. It is something else for: %s.",
      try(join(", ", [
        for key, rule in var.buckets : key if !contains(["", "SM4"], coalesce(try(rule.kms_data_encryption, null), "SM4"))
      ]), ""),
    )
  }
}
