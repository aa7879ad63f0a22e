output "rules" {
  description = "The rule of each bucket as it is set: algorithm, key ID and cipher, null where the rule has none, and region. Reference it where something must wait until the rules are set."
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
  description = "Algorithm of each bucket."
  value       = { for rule in oss_bucket_encryption.this : rule.bucket => rule.sse_algorithm }
}

output "kms_master_key_ids" {
  description = "IDs of the customer master keys (CMKs) in use. Clients that upload or download need permission to use them."
  value       = toset(compact([for rule in local.rules : rule.kms_master_key_id]))
}
