# A profile of the Alibaba Cloud CLI, from ~/.aliyun/config.json.
provider "oss" {
  region  = "cn-hangzhou"
  profile = "production"
}
