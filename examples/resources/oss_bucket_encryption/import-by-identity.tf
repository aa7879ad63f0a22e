import {
  to = oss_bucket_encryption.logs
  identity = {
    bucket = "my-company-logs"
  }
}

# A bucket outside the provider's region.
import {
  to = oss_bucket_encryption.invoices
  identity = {
    bucket = "my-company-invoices"
    region = "cn-shanghai"
  }
}
