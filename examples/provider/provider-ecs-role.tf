# The RAM role of the ECS instance that Terraform runs on.
provider "oss" {
  region        = "cn-hangzhou"
  endpoint_type = "internal"
  ecs_role_name = "terraform"
}
