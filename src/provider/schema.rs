//! The arguments of the provider block, as documented and shown to users.

use crate::tfplugin::{Attribute, AttributeType, Block, NestedBlock, Schema};

/// Returns the schema of the provider block. Every argument is optional.
pub(super) fn schema() -> Schema {
    Schema {
        version: 0,
        block: Block {
            description: "Manages the default server-side encryption of Alibaba Cloud OSS buckets. The \
                provider only connects to OSS and, if one is configured, to the service that issues its \
                credentials (STS, the ECS metadata service, a credentials URI, or the sign-in service of a \
                CloudSSO or OAuth profile).\n\n\
                All arguments are optional. If an argument is not set, the first environment variable in its \
                description that is set is used. The variables include those of the `aliyun/alicloud` \
                provider, the Alibaba Cloud CLI, the SDKs and the OSS tools. Credentials are resolved when the first request is sent, so \
                `terraform validate` and planning new resources do not need any.",
            attributes: [location_attributes(), credential_attributes(), transport_attributes()]
                .concat(),
            blocks: vec![assume_role(), assume_role_with_oidc()],
        },
    }
}

/// Where buckets are located and how they are addressed.
fn location_attributes() -> Vec<Attribute> {
    vec![
        Attribute::optional(
            "region",
            "Region of the buckets, for example `cn-hangzhou`. Can also be set with the `ALICLOUD_REGION`, \
             `ALIBABA_CLOUD_REGION`, `ALIBABA_CLOUD_REGION_ID`, `ALIBABACLOUD_REGION_ID`, \
             `ALICLOUD_REGION_ID` or `OSS_REGION` environment variable. Defaults to the `region_id` of the \
             profile, then to the region of the `endpoint`, if that is an endpoint of OSS. In the finance and \
             government clouds, use the region ID, for example `cn-hangzhou-finance`; the provider knows the \
             endpoints.",
        ),
        Attribute::optional(
            "endpoint",
            "OSS endpoint: a host, `host:port` or URL, without the bucket. Can also be set with the \
             `ALIBABA_CLOUD_ENDPOINT_OSS` or `OSS_ENDPOINT` environment variable. Defaults to \
             `https://oss-{region}.aliyuncs.com`. Conflicts with `endpoint_type`.",
        ),
        Attribute::optional(
            "endpoint_type",
            "Type of the regional endpoint: `public`, `internal` (from inside the region), `accelerate` \
             or `accelerate_overseas` (buckets with transfer acceleration) or `dual_stack` (IPv4 and IPv6). \
             Defaults to `public`. Conflicts with `endpoint`.",
        ),
        Attribute::optional(
            "address_style",
            "How buckets are addressed: `virtual` (virtual-hosted style), `path` (path style), `cname` \
             (custom domain) or `auto`. Defaults to `auto`: `path` for IP addresses and `localhost`, \
             otherwise `virtual`.",
        ),
        Attribute::optional(
            "signature_version",
            "Signature version: `v4`, or `v1` for private endpoints that do not support V4. Defaults to \
             `v4`.",
        ),
    ]
}

/// The credential sources, in order of precedence.
fn credential_attributes() -> Vec<Attribute> {
    vec![
        Attribute::optional(
            "access_key",
            "AccessKey ID. Can also be set with the `ALICLOUD_ACCESS_KEY`, `ALIBABA_CLOUD_ACCESS_KEY_ID`, \
             `ALIBABACLOUD_ACCESS_KEY_ID`, `ALICLOUD_ACCESS_KEY_ID` or `OSS_ACCESS_KEY_ID` environment variable; ID and secret must \
             come from the same pair of variables.",
        ),
        Attribute::optional(
            "secret_key",
            "AccessKey secret. Can also be set with the `ALICLOUD_SECRET_KEY`, \
             `ALIBABA_CLOUD_ACCESS_KEY_SECRET`, `ALIBABACLOUD_ACCESS_KEY_SECRET`, `ALICLOUD_ACCESS_KEY_SECRET` or \
             `OSS_ACCESS_KEY_SECRET` environment variable.",
        )
        .sensitive(),
        Attribute::optional(
            "security_token",
            "Security token for temporary (STS) credentials. Can also be set with the \
             `ALICLOUD_SECURITY_TOKEN`, `ALIBABA_CLOUD_SECURITY_TOKEN`, `ALIBABACLOUD_SECURITY_TOKEN` or \
             `OSS_SESSION_TOKEN` environment variable.",
        )
        .sensitive(),
        Attribute::optional(
            "profile",
            "Name of a profile in the Alibaba Cloud CLI configuration file. Can also be set with the \
             `ALICLOUD_PROFILE`, `ALIBABA_CLOUD_PROFILE` or `ALIBABACLOUD_PROFILE` environment variable. Its credentials are used \
             only if no AccessKey pair is configured.",
        ),
        Attribute::optional(
            "shared_credentials_file",
            "Path of the Alibaba Cloud CLI configuration file. Can also be set with the \
             `ALICLOUD_SHARED_CREDENTIALS_FILE`, `ALIBABA_CLOUD_CREDENTIALS_FILE` or \
             `ALIBABA_CLOUD_CONFIG_FILE` environment variable. Defaults to `~/.aliyun/config.json`. If \
             `profile` is not set, the current profile of the file is used: in place of `profile` if this \
             argument is set in the provider block, otherwise only if no other credentials are configured.",
        ),
        Attribute::optional(
            "credentials_uri",
            "URL of a service that returns temporary credentials (the credentials URI protocol). Can also be \
             set with the `ALICLOUD_CREDENTIALS_URI` or `ALIBABA_CLOUD_CREDENTIALS_URI` environment \
             variable. Used only if no AccessKey pair or profile is configured.",
        ),
        Attribute::optional(
            "ecs_role_name",
            "Name of the RAM role of the ECS instance that Terraform runs on. Can also be set with the \
             `ALICLOUD_ECS_ROLE_NAME` or `ALIBABA_CLOUD_ECS_METADATA` environment variable. Used only if no \
             AccessKey pair, profile or credentials URI is configured.",
        ),
        Attribute::optional(
            "sts_endpoint",
            "Security Token Service (STS) endpoint: a host, `host:port` or URL. Can also be set with the \
             `ALIBABA_CLOUD_ENDPOINT_STS`, `STS_ENDPOINT` or `ALIBABA_CLOUD_STS_ENDPOINT` environment \
             variable. Defaults to `https://sts.{region}.aliyuncs.com`, or to the global endpoint \
             `https://sts.aliyuncs.com` for regions that have no STS endpoint. With `endpoint_type = \
             \"internal\"`, defaults to `https://sts-vpc.{region}.aliyuncs.com`.",
        ),
    ]
}

/// Retries and timeouts of requests.
fn transport_attributes() -> Vec<Attribute> {
    vec![
        Attribute::optional(
            "max_retries",
            "Maximum number of retries for a failed request, within the timeout of the operation. Does \
             not limit the retries of requests that OSS rejects because another setting of the bucket is being \
             changed (HTTP 409): these continue until the timeout. Defaults to `11`.",
        )
        .of_type(AttributeType::Number),
        Attribute::optional(
            "connect_timeout",
            "Maximum time to establish a connection, for example `10s`. Defaults to `5s`.",
        ),
        Attribute::optional(
            "read_timeout",
            "Maximum time to wait for data from the server, for example `30s`. Defaults to `10s`.",
        ),
    ]
}

fn session_expiration(description: &'static str) -> Attribute {
    Attribute::optional("session_expiration", description).of_type(AttributeType::Number)
}

fn policy() -> Attribute {
    Attribute::optional("policy", "JSON policy that further restricts the session.")
}

fn assume_role() -> NestedBlock {
    NestedBlock {
        name: "assume_role",
        block: Block {
            description: "RAM role to assume with the credentials of any other source. Several blocks form a \
                chain: each role is assumed with the session of the previous one, in the order written.",
            attributes: vec![
                Attribute::optional(
                    "role_arn",
                    "ARN of the role, `acs:ram::{account}:role/{name}`. Can also be set with the \
                     `ALICLOUD_ASSUME_ROLE_ARN`, `ALIBABA_CLOUD_ROLE_ARN` or `ALIBABACLOUD_ROLE_ARN` environment \
                     variable, if there is only one `assume_role` block.",
                ),
                Attribute::optional(
                    "session_name",
                    "Session name, shown in audit logs. Can also be set with the \
                     `ALICLOUD_ASSUME_ROLE_SESSION_NAME`, `ALIBABA_CLOUD_ROLE_SESSION_NAME` or \
                     `ALIBABACLOUD_ROLE_SESSION_NAME` environment variable. Defaults to `terraform`.",
                ),
                session_expiration(
                    "Session duration in seconds, 900 to 43200 and at most the role's maximum session \
                     duration. Can also be set with the `ALICLOUD_ASSUME_ROLE_SESSION_EXPIRATION` \
                     environment variable. Defaults to `3600`.",
                ),
                policy(),
                Attribute::optional(
                    "external_id",
                    "External ID required by the role's trust policy. Can also be set with the \
                     `ALIBABA_CLOUD_EXTERNAL_ID` or `ALIBABACLOUD_EXTERNAL_ID` environment variable, if \
                     there is only one `assume_role` block.",
                ),
            ],
            blocks: Vec::new(),
        },
        is_repeatable: true,
    }
}

fn assume_role_with_oidc() -> NestedBlock {
    NestedBlock {
        name: "assume_role_with_oidc",
        block: Block {
            description: "RAM role to assume with an OIDC token, for example in a CI pipeline or a \
                Kubernetes pod. Used only if no AccessKey pair, profile, credentials URI or ECS role is \
                configured.",
            attributes: vec![
                Attribute::optional(
                    "oidc_provider_arn",
                    "ARN of the OIDC identity provider, `acs:ram::{account}:oidc-provider/{name}`. Can also \
                     be set with the `ALIBABA_CLOUD_OIDC_PROVIDER_ARN` or `ALIBABACLOUD_OIDC_PROVIDER_ARN` \
                     environment variable.",
                ),
                Attribute::optional(
                    "role_arn",
                    "ARN of the role, `acs:ram::{account}:role/{name}`. Can also be set with the \
                     `ALIBABA_CLOUD_ROLE_ARN` or `ALIBABACLOUD_ROLE_ARN` environment variable.",
                ),
                Attribute::optional(
                    "oidc_token",
                    "OIDC token. Can also be set with the `ALIBABA_CLOUD_OIDC_TOKEN` or `ALIBABACLOUD_OIDC_TOKEN` \
                     environment variable.",
                )
                .sensitive(),
                Attribute::optional(
                    "oidc_token_file",
                    "Path of a file that contains the OIDC token; it is read again for each session. Can \
                     also be set with the `ALIBABA_CLOUD_OIDC_TOKEN_FILE` or `ALIBABACLOUD_OIDC_TOKEN_FILE` environment variable. Used only \
                     if `oidc_token` is not set.",
                ),
                Attribute::optional(
                    "role_session_name",
                    "Session name, shown in audit logs. Can also be set with the \
                     `ALIBABA_CLOUD_ROLE_SESSION_NAME` or `ALIBABACLOUD_ROLE_SESSION_NAME` environment \
                     variable. Defaults to `terraform`.",
                ),
                policy(),
                session_expiration(
                    "Session duration in seconds, 900 to 43200 and at most the role's maximum session \
                     duration. Defaults to `3600`.",
                ),
            ],
            blocks: Vec::new(),
        },
        is_repeatable: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::environment;
    use crate::tfplugin::join_names;

    #[test]
    fn descriptions_name_the_environment_variables_in_order() {
        let provider = schema().block;
        let [role, oidc] = [&provider.blocks[0], &provider.blocks[1]].map(|block| &block.block);
        let expected: [(&Block, &str, &[&str]); 20] = [
            (&provider, "region", environment::REGION),
            (&provider, "endpoint", environment::ENDPOINT),
            (&provider, "access_key", environment::ACCESS_KEY),
            (&provider, "secret_key", environment::SECRET_KEY),
            (&provider, "security_token", environment::SECURITY_TOKEN),
            (&provider, "profile", environment::PROFILE),
            (&provider, "shared_credentials_file", environment::SHARED_CREDENTIALS_FILE),
            (&provider, "credentials_uri", environment::CREDENTIALS_URI),
            (&provider, "ecs_role_name", environment::ECS_ROLE_NAME),
            (&provider, "sts_endpoint", environment::STS_ENDPOINT),
            (role, "role_arn", environment::ASSUME_ROLE_ARN),
            (role, "session_name", environment::ASSUME_ROLE_SESSION_NAME),
            (role, "session_expiration", environment::ASSUME_ROLE_SESSION_EXPIRATION),
            (oidc, "oidc_provider_arn", environment::OIDC_PROVIDER_ARN),
            (oidc, "role_arn", environment::OIDC_ROLE_ARN),
            (oidc, "oidc_token", environment::OIDC_TOKEN),
            (oidc, "oidc_token_file", environment::OIDC_TOKEN_FILE),
            (oidc, "role_session_name", environment::OIDC_SESSION_NAME),
            (oidc, "session_expiration", &[]),
            (role, "external_id", environment::ASSUME_ROLE_EXTERNAL_ID),
        ];
        for (block, name, variables) in expected {
            let attribute = block.attributes.iter().find(|attribute| attribute.name == name);
            let description = attribute.unwrap().description;
            let quoted: Vec<String> =
                variables.iter().map(|variable| format!("`{variable}`")).collect();
            let list = join_names(&quoted, "or");
            let sentence = format!("Can also be set with the {list} environment variable");
            assert_eq!(description.contains(&sentence), !list.is_empty(), "{name}: {description}");
            assert_eq!(description.contains("environment variable"), !list.is_empty(), "{name}");
        }
    }
}
