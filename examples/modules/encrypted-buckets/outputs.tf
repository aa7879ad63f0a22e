output "algorithms" {
  description = "The algorithm of each bucket. Known once the rule is set, so that what uploads can wait for it."
  value       = { for name, rule in oss_bucket_encryption.this : rule.id => rule.sse_algorithm }
}

output "kms_master_key_ids" {
  description = "The customer master keys that are used. Whoever uploads or downloads needs leave to use them."
  value       = toset(compact([for rule in oss_bucket_encryption.this : rule.kms_master_key_id]))
}
