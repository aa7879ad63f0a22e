# A profile of the aliyun command, from ~/.aliyun/config.json.
provider "oss" {
  region  = "cn-hangzhou"
  profile = "production"
}
