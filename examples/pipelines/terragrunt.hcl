# terragrunt.hcl of a unit: the module `encrypted-buckets`, with a provider block and a mirror.
# The credentials come from the environment of the pipeline that runs `terragrunt`.
terraform {
  source = "${get_repo_root()}/modules//encrypted-buckets"

  # The directory `mirror` that `cargo run --example package` creates.
  extra_arguments "mirror" {
    commands  = ["init"]
    arguments = ["-plugin-dir=${get_repo_root()}/mirror"]
  }
}

generate "provider" {
  path      = "provider.tf"
  if_exists = "overwrite_terragrunt"
  contents  = <<-EOT
    provider "oss" {
      region = "cn-hangzhou"
    }
  EOT
}

inputs = {
  buckets = {
    my-logs = {
      sse_algorithm = "AES256"
    }
    my-invoices = {
      sse_algorithm = "KMS"
    }
  }
}
