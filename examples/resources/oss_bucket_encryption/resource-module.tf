module "encrypted_buckets" {
  source = "./modules/encrypted-buckets"

  buckets = {
    my-company-logs = {
      sse_algorithm = "AES256"
    }
    my-company-invoices = {
      sse_algorithm = "KMS"
      region        = "cn-shanghai"
    }
  }
}
