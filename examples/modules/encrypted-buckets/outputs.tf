output "rules" {
  description = "The rule of each bucket: algorithm, key ID, cipher and region, null if the rule has none. Reference it in resources that must wait until the rules are set."
  value = {
    for rule in oss_bucket_encryption.this : rule.bucket => {
      sse_algorithm       = rule.sse_algorithm
      kms_master_key_id   = rule.kms_master_key_id == "" ? null : rule.kms_master_key_id
      kms_data_encryption = rule.kms_data_encryption == "" ? null : rule.kms_data_encryption
      region              = rule.region == "" ? null : rule.region
    }
  }
}

output "algorithms" {
  description = "The algorithm of each bucket."
  value       = { for rule in oss_bucket_encryption.this : rule.bucket => rule.sse_algorithm }
}

output "kms_master_key_ids" {
  description = "The IDs of the specified customer master keys (CMKs). Clients that upload or download need permission to use them."
  value       = toset(compact([for rule in local.rules : rule.kms_master_key_id]))
}
