output "rules" {
  description = "The rule of each bucket."
  value       = module.encryption.rules
}

output "kms_master_key_ids" {
  description = "The IDs of the specified customer master keys (CMKs). Clients that upload or download need permission to use them."
  value       = module.encryption.kms_master_key_ids
}
