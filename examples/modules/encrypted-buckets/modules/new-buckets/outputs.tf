output "rules" {
  description = "The rule of each bucket as it is set."
  value       = module.encryption.rules
}

output "kms_master_key_ids" {
  description = "IDs of the customer master keys (CMKs) in use. Clients that upload or download need permission to use them."
  value       = module.encryption.kms_master_key_ids
}
