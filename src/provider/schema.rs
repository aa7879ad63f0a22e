//! The arguments of the provider block, as Terraform and its users see them.

use crate::tfplugin::{Attribute, AttributeType, Block, NestedBlock, Schema};

/// The schema of the provider block. Every argument is optional.
pub(super) fn schema() -> Schema {
    Schema {
        version: 0,
        block: Block {
            description: "Manages the default server-side encryption of Alibaba Cloud OSS \
                buckets. It talks to OSS and, where keys come from a service, to that one (STS, the \
                metadata service of an instance, a credentials URI); to nothing else.\n\n\
                Every argument is optional. Where an argument is not set, the environment variables that \
                its description names are used, in that order; they are those of the provider \
                `aliyun/alicloud` and of the OSS tools. Keys are looked for when the first request \
                needs them, so `terraform validate` and a plan of new resources need none.",
            attributes: [location_attributes(), credential_attributes(), transport_attributes()]
                .concat(),
            blocks: vec![assume_role(), assume_role_with_oidc()],
        },
    }
}

/// Where the buckets are, and how they are addressed.
fn location_attributes() -> Vec<Attribute> {
    vec![
        Attribute::optional(
            "region",
            "Region of the buckets, for example `cn-hangzhou`. Also `ALICLOUD_REGION` or \
             `ALIBABA_CLOUD_REGION`; else the `region_id` of the profile; else taken from an endpoint of \
             the form `oss-{region}[-internal].aliyuncs.com`.",
        ),
        Attribute::optional(
            "endpoint",
            "Host, `host:port` or URL that requests go to. Also `ALIBABA_CLOUD_ENDPOINT_OSS` or \
             `OSS_ENDPOINT`; default `https://oss-{region}.aliyuncs.com`.",
        ),
        Attribute::optional(
            "endpoint_type",
            "Which endpoint of the region, instead of `endpoint`: `public` (default), `internal` (from \
             inside the region), `accelerate` (buckets with transfer acceleration) or `dual_stack` (IPv4 \
             and IPv6).",
        ),
        Attribute::optional(
            "address_style",
            "Where the bucket stands in the URL: `virtual`, `path`, `cname`, or `auto` (default): \
             `path` for IP addresses and `localhost`, else `virtual`.",
        ),
        Attribute::optional(
            "signature_version",
            "`v4` (default), or `v1` for private endpoints that know no other.",
        ),
    ]
}

/// Where keys come from: the first source that is set, whole.
fn credential_attributes() -> Vec<Attribute> {
    vec![
        Attribute::optional(
            "access_key",
            "Access key id. Also `ALICLOUD_ACCESS_KEY`, `ALIBABA_CLOUD_ACCESS_KEY_ID`, \
             `ALIBABACLOUD_ACCESS_KEY_ID` or `OSS_ACCESS_KEY_ID`, each together with its secret.",
        ),
        Attribute::optional(
            "secret_key",
            "Access key secret. Also `ALICLOUD_SECRET_KEY`, `ALIBABA_CLOUD_ACCESS_KEY_SECRET`, \
             `ALIBABACLOUD_ACCESS_KEY_SECRET` or `OSS_ACCESS_KEY_SECRET`.",
        )
        .sensitive(),
        Attribute::optional(
            "security_token",
            "Token of temporary (STS) keys. Also `ALICLOUD_SECURITY_TOKEN`, \
             `ALIBABA_CLOUD_SECURITY_TOKEN`, `ALIBABACLOUD_SECURITY_TOKEN` or `OSS_SESSION_TOKEN`.",
        )
        .sensitive(),
        Attribute::optional(
            "profile",
            "Name of a profile in the configuration file of the `aliyun` command. Also \
             `ALICLOUD_PROFILE` or `ALIBABA_CLOUD_PROFILE`. Used when no access key is set.",
        ),
        Attribute::optional(
            "shared_credentials_file",
            "Path of that file. Also `ALICLOUD_SHARED_CREDENTIALS_FILE` or \
             `ALIBABA_CLOUD_CREDENTIALS_FILE`; default `~/.aliyun/config.json`. Set here without a \
             `profile`: the current profile of the file.",
        ),
        Attribute::optional(
            "credentials_uri",
            "URL of a service that gives temporary keys (the credentials URI protocol). Also \
             `ALICLOUD_CREDENTIALS_URI` or `ALIBABA_CLOUD_CREDENTIALS_URI`. Used when no access key and \
             no profile is set.",
        ),
        Attribute::optional(
            "ecs_role_name",
            "Name of the RAM role of the ECS instance that Terraform runs on. Also \
             `ALICLOUD_ECS_ROLE_NAME` or `ALIBABA_CLOUD_ECS_METADATA`. Used when none of the above is \
             set.",
        ),
        Attribute::optional(
            "sts_endpoint",
            "Host, `host:port` or URL of the Security Token Service. Also \
             `ALIBABA_CLOUD_ENDPOINT_STS`, `STS_ENDPOINT` or `ALIBABA_CLOUD_STS_ENDPOINT`; default \
             `https://sts.{region}.aliyuncs.com`, inside the region `sts-vpc.{region}.aliyuncs.com`.",
        ),
    ]
}

/// Limits of the transport.
fn transport_attributes() -> Vec<Attribute> {
    vec![
        Attribute::optional(
            "max_retries",
            "How often a failed request is repeated at most, within the time limit of the operation. \
             Default 11.",
        )
        .of_type(AttributeType::Number),
        Attribute::optional(
            "connect_timeout",
            "How long connecting may take, for example `10s`. Default `5s`.",
        ),
        Attribute::optional(
            "read_timeout",
            "How long the other side may be silent, for example `30s`. Default `10s`.",
        ),
    ]
}

fn session_expiration() -> Attribute {
    Attribute::optional(
        "session_expiration",
        "How long a session lasts, in seconds: 900 to 43200, and not longer than the role allows. \
         Default 3600. Sessions are renewed before they end.",
    )
    .of_type(AttributeType::Number)
}

fn policy() -> Attribute {
    Attribute::optional("policy", "A policy in JSON that narrows what the sessions may do.")
}

fn assume_role() -> NestedBlock {
    NestedBlock {
        name: "assume_role",
        block: Block {
            description: "A RAM role to assume, with the keys that were found otherwise.",
            attributes: vec![
                Attribute::optional(
                    "role_arn",
                    "ARN of the role, `acs:ram::{account}:role/{name}`. Also \
                     `ALICLOUD_ASSUME_ROLE_ARN` or `ALIBABA_CLOUD_ROLE_ARN`.",
                ),
                Attribute::optional(
                    "session_name",
                    "Name of the sessions in the audit log. Also `ALICLOUD_ASSUME_ROLE_SESSION_NAME` or \
                     `ALIBABA_CLOUD_ROLE_SESSION_NAME`; default `terraform`.",
                ),
                session_expiration(),
                policy(),
                Attribute::optional(
                    "external_id",
                    "The external id that the owner of the role asks for.",
                ),
            ],
            blocks: Vec::new(),
        },
    }
}

fn assume_role_with_oidc() -> NestedBlock {
    NestedBlock {
        name: "assume_role_with_oidc",
        block: Block {
            description: "A RAM role to assume with the token of an identity provider, as pipelines and \
                pods have it. Used when no keys, profile, URI or ECS role are set.",
            attributes: vec![
                Attribute::optional(
                    "oidc_provider_arn",
                    "ARN of the identity provider, `acs:ram::{account}:oidc-provider/{name}`. Also \
                     `ALIBABA_CLOUD_OIDC_PROVIDER_ARN`.",
                ),
                Attribute::optional(
                    "role_arn",
                    "ARN of the role, `acs:ram::{account}:role/{name}`. Also \
                     `ALIBABA_CLOUD_ROLE_ARN`.",
                ),
                Attribute::optional("oidc_token", "The token. Also `ALIBABA_CLOUD_OIDC_TOKEN`.")
                    .sensitive(),
                Attribute::optional(
                    "oidc_token_file",
                    "A file with the token, read again for each session. Also \
                     `ALIBABA_CLOUD_OIDC_TOKEN_FILE`. Used when no `oidc_token` is set.",
                ),
                Attribute::optional(
                    "role_session_name",
                    "Name of the sessions in the audit log. Also `ALIBABA_CLOUD_ROLE_SESSION_NAME`; \
                     default `terraform`.",
                ),
                policy(),
                session_expiration(),
            ],
            blocks: Vec::new(),
        },
    }
}
