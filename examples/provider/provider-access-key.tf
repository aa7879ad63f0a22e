# An AccessKey pair from variables. The state does not contain it, but saved plans do: prefer environment
# variables.
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
