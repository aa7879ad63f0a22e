terraform {
  # The module needs 1.5; its tests with mock providers need 1.7.
  required_version = ">= 1.5"

  required_providers {
    oss = {
      source  = "oss-tools/oss"
      version = ">= 0.1"
    }
  }
}
