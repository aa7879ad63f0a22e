variable "buckets" {
  description = "The buckets, each with the rule by which OSS encrypts what is uploaded to it. `{}` is AES256 in the provider's region."
  nullable    = false

  type = map(object({
    sse_algorithm       = optional(string, "AES256")
    kms_master_key_id   = optional(string)
    kms_data_encryption = optional(string)
    region              = optional(string)
  }))

  validation {
    condition = alltrue([
      for name in keys(var.buckets) : can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", name))
    ])
    error_message = format(
      "These are not names of buckets: %s. A name has 3 to 63 lower-case letters, digits and hyphens, and begins and ends with a letter or a digit.",
      join(", ", [for name in keys(var.buckets) : name if !can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", name))]),
    )
  }

  validation {
    condition = alltrue([
      for rule in values(var.buckets) : contains(["AES256", "KMS", "SM4"], rule.sse_algorithm)
    ])
    error_message = format(
      "sse_algorithm must be \"AES256\", \"KMS\" or \"SM4\", in upper case. It is not for: %s.",
      join(", ", [for name, rule in var.buckets : name if !contains(["AES256", "KMS", "SM4"], rule.sse_algorithm)]),
    )
  }

  # `""` is the same as null to the provider, and to this module.
  validation {
    condition = alltrue([
      for rule in values(var.buckets) :
      rule.sse_algorithm == "KMS" || length(compact([rule.kms_master_key_id, rule.kms_data_encryption])) == 0
    ])
    error_message = format(
      "kms_master_key_id and kms_data_encryption only go with sse_algorithm = \"KMS\". Remove them, or use KMS, for: %s.",
      join(", ", [
        for name, rule in var.buckets : name
        if rule.sse_algorithm != "KMS" && length(compact([rule.kms_master_key_id, rule.kms_data_encryption])) > 0
      ]),
    )
  }

  validation {
    condition = alltrue([
      for rule in values(var.buckets) : coalesce(rule.kms_data_encryption, "SM4") == "SM4"
    ])
    error_message = format(
      "kms_data_encryption is \"SM4\" or not set, which means AES-256. It is something else for: %s.",
      join(", ", [for name, rule in var.buckets : name if coalesce(rule.kms_data_encryption, "SM4") != "SM4"]),
    )
  }
}
