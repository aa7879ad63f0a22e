output "algorithms" {
  description = "Algorithm of each bucket. Reference it where something must wait until the rules are set."
  value       = { for rule in oss_bucket_encryption.this : rule.bucket => rule.sse_algorithm }
}

output "kms_master_key_ids" {
  description = "IDs of the customer master keys (CMKs) in use. Clients that upload or download need permission to use them."
  value       = toset(compact([for rule in var.buckets : rule.kms_master_key_id]))
}
