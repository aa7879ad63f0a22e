# An access key, from variables. It stays out of the state, but not out of a saved plan: prefer the
# environment.
variable "access_key" {
  type = string
}

variable "secret_key" {
  type      = string
  sensitive = true
}

provider "oss" {
  region     = "cn-hangzhou"
  access_key = var.access_key
  secret_key = var.secret_key
}
