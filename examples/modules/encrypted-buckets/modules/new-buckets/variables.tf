variable "buckets" {
  description = "The buckets to create in the region of the provider alicloud, with their rules as in the module encrypted-buckets, but without `region`."
  nullable    = false
  # Everything else is checked by the module encrypted-buckets.
  type = any

  validation {
    condition     = can([for rule in values(var.buckets) : keys(rule)])
    error_message = "buckets must be a map of objects, for example { my-logs = { sse_algorithm = \"AES256\" } }."
  }

  # `alicloud_oss_bucket` creates the bucket in the region of its provider; a rule for another region would not find it.
  validation {
    condition = try(length([for key, rule in var.buckets : key if try(coalesce(rule.region), null) != null]) == 0, true)
    error_message = format(
      "A bucket is created in the region of the provider alicloud, and its rule is set there. Set the region of both providers, and remove the attribute region from: %s.",
      try(nonsensitive(sensitive(join(", ", [
        for key, rule in var.buckets : key if try(coalesce(rule.region), null) != null
      ]))), ""),
    )
  }

  # A name that is a list or an object would be ignored, and be overwritten before the module encrypted-buckets sees it.
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
}
