import {
  to = oss_bucket_encryption.logs
  id = "my-company-logs"
}

# A bucket outside the provider's region.
import {
  to = oss_bucket_encryption.invoices
  id = "my-company-invoices@cn-shanghai"
}
