# A service that returns temporary credentials.
provider "oss" {
  region          = "cn-hangzhou"
  credentials_uri = "http://localhost:7002/credentials"
}
