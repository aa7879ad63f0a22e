variable "buckets" {
  description = "The buckets to create in the provider's region, with their rules: see the module encrypted-buckets."
  nullable    = false
  # Checked by the module encrypted-buckets.
  type = any
}
