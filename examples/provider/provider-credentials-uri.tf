# A service that gives temporary keys to whoever asks it.
provider "oss" {
  region          = "cn-hangzhou"
  credentials_uri = "http://localhost:7002/credentials"
}
