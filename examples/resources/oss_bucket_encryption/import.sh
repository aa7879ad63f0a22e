terraform import oss_bucket_encryption.logs my-company-logs

# A bucket outside the provider's region:
terraform import oss_bucket_encryption.invoices my-company-invoices@cn-shanghai
