//! Roles to assume: their credentials, sessions and STS endpoint.

use secrecy::ExposeSecret as _;

use crate::tfplugin::Value;

use super::*;

#[test]
fn a_role_is_assumed_with_the_selected_source() {
    let role = Object::new().with("role_arn", "acs:ram::1:role/top");
    let top = block(&[("region", "cn-hangzhou")]).with("assume_role", repeated(role));
    assert_eq!(
        source(&top, &PAIR),
        "static:id+acs:ram::1:role/top@https://sts.cn-hangzhou.aliyuncs.com"
    );
    let internal = top.clone().with("endpoint_type", "internal");
    assert!(source(&internal, &PAIR).ends_with("@https://sts-vpc.cn-hangzhou.aliyuncs.com"));
    let explicit = top.clone().with("sts_endpoint", "http://127.0.0.1:1");
    assert!(source(&explicit, &PAIR).ends_with("@http://127.0.0.1:1"));
    // The role may come from the environment if the block is present.
    let arn = ("ALICLOUD_ASSUME_ROLE_ARN", "acs:ram::1:role/env");
    let empty = block(&[]).with("assume_role", repeated(Object::new()));
    assert_eq!(
        source(&empty, &[PAIR[0], PAIR[1], arn]),
        "static:id+acs:ram::1:role/env@https://sts.aliyuncs.com"
    );
    assert_eq!(source(&Object::new(), &[PAIR[0], PAIR[1], arn]), "static:id");
}

#[test]
fn the_external_id_of_a_single_role_may_come_from_the_environment() {
    let role = |id: &str| {
        Value::from(Object::new().with("role_arn", "acs:ram::1:role/r").with("external_id", id))
    };
    let external_ids = |roles: Vec<Value>, variable: &'static str| {
        let block = block(&[]).with("assume_role", Value::List(roles));
        let mut source = config(&block, &[PAIR[0], PAIR[1], (variable, "env")]).credentials;
        let mut ids = Vec::new();
        while let Some(CredentialSource::AssumeRole { base, role, .. }) = source {
            let session = format!("{:?}", role.session);
            ids.push(
                session.split("external_id: ").nth(1).unwrap().trim_end_matches(" }").to_owned(),
            );
            source = Some(*base);
        }
        ids
    };
    for variable in environment::ASSUME_ROLE_EXTERNAL_ID {
        assert_eq!(external_ids(vec![role("")], variable), ["Some(\"env\")"]);
        assert_eq!(external_ids(vec![role("mine")], variable), ["Some(\"mine\")"]);
        // With several blocks the variable does not say which role is meant.
        let two = vec![role(""), role("mine")];
        assert_eq!(external_ids(two, variable), ["Some(\"mine\")", "None"]);
    }
}

#[test]
fn roles_are_assumed_in_the_order_written() {
    let role = |name: &str| {
        Value::from(Object::new().with("role_arn", format!("acs:ram::1:role/{name}").as_str()))
    };
    let chain = |roles: Vec<Value>| {
        block(&[("region", "cn-hangzhou")]).with("assume_role", Value::List(roles))
    };
    let sts = "https://sts.cn-hangzhou.aliyuncs.com";
    assert_eq!(
        source(&chain(vec![role("one"), role("two")]), &PAIR),
        format!("static:id+acs:ram::1:role/one@{sts}+acs:ram::1:role/two@{sts}")
    );
    assert_eq!(source(&chain(vec![]), &PAIR), "static:id");
    // With several blocks the variable does not say which role is meant.
    let arn = ("ALICLOUD_ASSUME_ROLE_ARN", "acs:ram::1:role/env");
    let incomplete = chain(vec![role("one"), Object::new().into()]);
    assert_eq!(
        errors(&incomplete, &[PAIR[0], PAIR[1], arn]),
        ["assume_role[1].role_arn: Incomplete role"]
    );
    let wrong = Object::new().with("role_arn", "two").into();
    assert_eq!(
        errors(&chain(vec![role("one"), wrong]), &PAIR),
        ["assume_role[1].role_arn: Invalid role ARN"]
    );
    let unknown = Object::new().with("role_arn", Value::Unknown).into();
    let (settings, _) = resolve(&chain(vec![role("one"), unknown]), &environment(&PAIR));
    assert_eq!(settings.unwrap().unknown, ["assume_role[1].role_arn"]);
}

#[test]
fn an_oidc_token_in_the_block_takes_precedence() {
    let of = |token: (&str, &str), variable: (&str, &str)| {
        let oidc = block(&[
            ("oidc_provider_arn", "acs:ram::1:oidc-provider/gh"),
            ("role_arn", "acs:ram::1:role/r"),
            token,
        ]);
        source(&Object::new().with("assume_role_with_oidc", oidc), &[variable])
    };
    let file = of(("oidc_token_file", "/mine"), ("ALIBABA_CLOUD_OIDC_TOKEN", "t"));
    assert!(file.contains("File(\"/mine\")"), "{file}");
    let value = of(("oidc_token", "t"), ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/env"));
    assert!(value.contains("Value("), "{value}");
    let variable = of(("policy", ""), ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/env"));
    assert!(variable.contains("File(\"/env\")"), "{variable}");
}

#[test]
fn a_block_without_a_role_is_an_error() {
    let region = block(&[("region", "cn-hangzhou")]);
    let top = region.clone().with("assume_role", repeated(Object::new()));
    assert_eq!(errors(&top, &[]), ["assume_role[0].role_arn: Incomplete role"]);
    let oidc = region.clone().with("assume_role_with_oidc", Object::new());
    assert_eq!(
        errors(&oidc, &[]),
        [
            "assume_role_with_oidc.role_arn: Incomplete role",
            "assume_role_with_oidc.oidc_provider_arn: Incomplete role",
            "assume_role_with_oidc.oidc_token_file: Incomplete role",
        ]
    );
    assert_eq!(settings::validate(&top).into_iter().count(), 0);
    let unknown = Object::new().with("role_arn", Value::Unknown);
    let (settings, _) =
        resolve(&region.with("assume_role", repeated(unknown)), &Environment::default());
    assert_eq!(settings.unwrap().unknown, ["assume_role[0].role_arn"]);
}

#[test]
fn the_sts_endpoint_has_a_precedence() {
    let role = || block(&[("role_arn", "acs:ram::1:role/r")]);
    let sts_endpoint = |block: Object, variable: (&str, &str)| {
        let source =
            source(&block.with("assume_role", repeated(role())), &[PAIR[0], PAIR[1], variable]);
        source.split_once('@').unwrap().1.to_owned()
    };
    let region = || block(&[("region", "cn-hangzhou")]);
    let none = ("HOME", "/");
    for (block, variable, expected) in [
        (Object::new(), none, "https://sts.aliyuncs.com"),
        (region(), none, "https://sts.cn-hangzhou.aliyuncs.com"),
        (
            block(&[("endpoint", "oss-cn-beijing.aliyuncs.com")]),
            none,
            "https://sts.cn-beijing.aliyuncs.com",
        ),
        (
            region(),
            ("ALIBABA_CLOUD_STS_REGION", "cn-beijing"),
            "https://sts.cn-beijing.aliyuncs.com",
        ),
        (
            region(),
            ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "1"),
            "https://sts-vpc.cn-hangzhou.aliyuncs.com",
        ),
        (
            region(),
            ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "True"),
            "https://sts-vpc.cn-hangzhou.aliyuncs.com",
        ),
        (
            region(),
            ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "no"),
            "https://sts.cn-hangzhou.aliyuncs.com",
        ),
        (region(), ("STS_ENDPOINT", "sts.example.com"), "https://sts.example.com"),
        (
            region().with("sts_endpoint", "mine.example.com"),
            ("STS_ENDPOINT", "sts.example.com"),
            "https://mine.example.com",
        ),
    ] {
        assert_eq!(sts_endpoint(block, variable), expected, "{variable:?}");
    }
}

#[test]
fn sessions_and_tokens_can_come_from_the_environment() {
    let top =
        Object::new().with("assume_role", repeated(block(&[("role_arn", "acs:ram::1:role/r")])));
    let variables = [
        PAIR[0],
        PAIR[1],
        ("ALICLOUD_ASSUME_ROLE_SESSION_NAME", "from-variable"),
        ("ALICLOUD_ASSUME_ROLE_SESSION_EXPIRATION", "1200"),
    ];
    let Some(CredentialSource::AssumeRole { role, .. }) = config(&top, &variables).credentials
    else {
        panic!()
    };
    let session = format!("{:?}", role.session);
    assert!(session.contains("from-variable") && session.contains("1200"), "{session}");
    let region = top.with("region", "cn-hangzhou");
    assert_eq!(
        errors(
            &region,
            &[PAIR[0], PAIR[1], ("ALICLOUD_ASSUME_ROLE_SESSION_EXPIRATION", "an hour")]
        ),
        ["assume_role[0]: Invalid session duration"]
    );

    let pipeline = [
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/gh"),
        ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/r"),
        ("ALIBABA_CLOUD_OIDC_TOKEN", " the-token\n"),
        ("ALIBABA_CLOUD_ROLE_SESSION_NAME", "pipeline"),
    ];
    let Some(CredentialSource::AssumeRoleWithOidc(oidc)) =
        config(&Object::new(), &pipeline).credentials
    else {
        panic!()
    };
    let crate::oss::credentials::OidcToken::Value(token) = &oidc.token else { panic!() };
    assert_eq!(token.expose_secret(), "the-token");
    assert!(format!("{:?}", oidc.role.session).contains("pipeline"));
}
