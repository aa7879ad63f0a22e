//! Where each argument comes from, and what is wrong with it, as tables.

use secrecy::ExposeSecret as _;

use crate::oss::credentials::CredentialSource;
use crate::tfplugin::Severity;

use super::*;

fn block(arguments: &[(&str, &str)]) -> Object {
    arguments.iter().fold(Object::new(), |block, (name, value)| block.with(name, *value))
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::new(variables.iter().map(|(name, value)| (name.into(), value.into())))
}

/// Settings that have no errors but for a missing region.
fn config(block: &Object, variables: &[(&str, &str)]) -> ClientConfig {
    let environment = environment(variables);
    let mut resolver = Resolver::new(block, &environment);
    let config = resolver.settings();
    assert!(!resolver.diagnostics.has_errors(), "{:?}", resolver.diagnostics);
    config
}

/// Errors as `path: summary`.
fn errors(block: &Object, variables: &[(&str, &str)]) -> Vec<String> {
    let (_, diagnostics) = resolve(block, &environment(variables));
    diagnostics
        .into_iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|Diagnostic { attribute, summary, .. }| {
            let path = attribute.map(|path| path.to_string()).unwrap_or_default();
            format!("{path}: {summary}")
        })
        .collect()
}

/// Key id, token and origin of the keys that were found.
fn keys(block: &[(&str, &str)], variables: &[(&str, &str)]) -> [String; 3] {
    let found = config(&self::block(block), variables).credentials;
    let Some(CredentialSource::Static { credentials, origin }) = found else {
        return Default::default();
    };
    let token = credentials.security_token.map(|token| token.expose_secret().to_owned());
    [credentials.access_key_id, token.unwrap_or_default(), origin]
}

#[test]
fn key_families_are_taken_whole_and_in_order() {
    let families: Vec<(&str, &str)> = environment::ACCESS_KEY_VARS
        .iter()
        .flat_map(|[id, secret, token]| [(*id, *id), (*secret, "secret"), (*token, *token)])
        .collect();
    for (index, [id, _, token]) in environment::ACCESS_KEY_VARS.into_iter().enumerate() {
        let origin = format!("the environment variable {id}");
        assert_eq!(keys(&[], &families[index * 3..]), [id, token, origin.as_str()]);
    }
    // A token of another family does not join a key.
    let mixed = [
        ("ALICLOUD_ACCESS_KEY", "id"),
        ("ALICLOUD_SECRET_KEY", "secret"),
        ("ALIBABA_CLOUD_SECURITY_TOKEN", "token"),
    ];
    assert_eq!(keys(&[], &mixed)[..2], ["id", ""]);
    // The block wins over every variable, and takes no token from one.
    let block = [("access_key", "mine"), ("secret_key", "secret")];
    assert_eq!(keys(&block, &families), ["mine", "", "the provider block"]);
    // Empty is as good as not set.
    assert_eq!(keys(&[], &[("ALICLOUD_ACCESS_KEY", ""), ("OSS_ACCESS_KEY_ID", "")])[0], "");
}

#[test]
fn half_a_key_pair_names_the_missing_half() {
    for (arguments, expected) in [
        ([("access_key", "id")], "access_key: Incomplete access key"),
        ([("secret_key", "secret")], "secret_key: Incomplete access key"),
        ([("security_token", "token")], "security_token: Security token without access key"),
        ([("access_key", "a b")], "access_key: Invalid access key"),
    ] {
        let found = errors(&block(&arguments).with("region", "cn-hangzhou"), &[]);
        assert_eq!(found[0], expected);
    }
    let region = block(&[("region", "cn-hangzhou")]);
    for (variable, expected) in [
        ("OSS_ACCESS_KEY_ID", "access_key: Incomplete access key"),
        ("ALICLOUD_SECRET_KEY", "secret_key: Incomplete access key"),
    ] {
        assert_eq!(errors(&region, &[(variable, "x")]), [expected]);
    }
    // A half that is not known yet may turn out to be there.
    let half = block(&[("access_key", "id")]).with("secret_key", Value::Unknown);
    assert_eq!(errors(&half, &[]), Vec::<String>::new());
}

#[test]
fn region_and_endpoint_come_from_the_first_place_that_has_them() {
    let all = [
        ("ALICLOUD_REGION", "first"),
        ("ALIBABA_CLOUD_REGION", "second"),
        ("ALIBABA_CLOUD_ENDPOINT_OSS", "one.example"),
        ("OSS_ENDPOINT", "two.example"),
    ];
    let of = |arguments: &[(&str, &str)], variables: &[(&str, &str)]| {
        let config = config(&block(arguments), variables);
        let region = config.region.map(|region| region.to_string()).unwrap_or_default();
        let endpoint = config.endpoint.map(|endpoint| endpoint.to_string()).unwrap_or_default();
        format!("{region} {endpoint}")
    };
    assert_eq!(of(&[], &all), "first https://one.example");
    assert_eq!(of(&[], &all[1..]), "second https://one.example");
    assert_eq!(of(&[], &all[3..]), " https://two.example");
    assert_eq!(of(&[("region", "mine")], &all), "mine https://one.example");
    assert_eq!(of(&[("endpoint", "mine.example")], &all), "first https://mine.example");
    // Picking an endpoint of the region is as much as naming one.
    assert_eq!(of(&[("endpoint_type", "internal")], &all), "first ");
}

#[test]
fn a_region_is_needed_from_one_of_four_places() {
    let missing = ["region: Missing region"];
    assert_eq!(errors(&Object::new(), &[]), missing);
    assert_eq!(errors(&block(&[("endpoint", "https://oss.example.com")]), &[]), missing);
    let v1 = [("endpoint", "https://oss.example.com"), ("signature_version", "v1")];
    for arguments in [
        &[("region", "cn-hangzhou")][..],
        &[("endpoint", "oss-cn-beijing.aliyuncs.com")],
        &[("profile", "it-is-read-when-needed")],
        &v1,
    ] {
        assert_eq!(errors(&block(arguments), &[]), Vec::<String>::new(), "{arguments:?}");
    }
    assert_eq!(errors(&Object::new(), &[("ALIBABA_CLOUD_REGION", "cn-hangzhou")]).len(), 0);
}

/// The source that is chosen, as one word.
fn source(block: &Object, variables: &[(&str, &str)]) -> String {
    fn word(source: &CredentialSource) -> String {
        match source {
            CredentialSource::Static { credentials, .. } => {
                format!("keys:{}", credentials.access_key_id)
            }
            CredentialSource::Profile(profile) => {
                let name = profile.name.as_deref().unwrap_or("current");
                format!("profile:{name}:{}", profile.path.display())
            }
            CredentialSource::EcsRole(role) => {
                format!("ecs:{}", role.name.as_deref().unwrap_or("?"))
            }
            CredentialSource::CredentialsUri(uri) => format!("uri:{}", uri.host()),
            CredentialSource::Process(_) => "process".to_owned(),
            CredentialSource::AssumeRole { base, role, sts } => {
                format!("{}+{}@{}", word(base), role.arn, sts.resolve_endpoint())
            }
            CredentialSource::AssumeRoleWithOidc(oidc) => {
                format!("oidc:{}:{:?}@{}", oidc.role.arn, oidc.token, oidc.sts.resolve_endpoint())
            }
        }
    }
    config(block, variables).credentials.as_ref().map(word).unwrap_or_default()
}

#[test]
fn sources_are_taken_in_the_order_of_the_alicloud_provider() {
    let variables = [
        ("OSS_ACCESS_KEY_ID", "id"),
        ("OSS_ACCESS_KEY_SECRET", "secret"),
        ("ALICLOUD_PROFILE", "dev"),
        ("ALIBABA_CLOUD_CREDENTIALS_URI", "http://127.0.0.1:1/x"),
        ("ALIBABA_CLOUD_ECS_METADATA", "instance"),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/gh"),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/token"),
        ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/r"),
        ("HOME", "/home/me"),
    ];
    let home = variables[8];
    let nothing = Object::new();
    for (skipped, expected) in [
        (0, "keys:id"),
        (2, "profile:dev:/home/me/.aliyun/config.json"),
        (3, "uri:127.0.0.1:1"),
        (4, "ecs:instance"),
        (5, "oidc:acs:ram::1:role/r:File(\"/token\")@https://sts.aliyuncs.com"),
        // Two of the three variables are no request to use the token.
        (6, ""),
        (8, ""),
    ] {
        assert_eq!(source(&nothing, &variables[skipped..]), expected);
    }
    let mine = block(&[("access_key", "mine"), ("secret_key", "secret")]);
    assert_eq!(source(&mine, &variables), "keys:mine");
    let profile = block(&[("profile", "mine"), ("ecs_role_name", "ecs")]);
    assert_eq!(source(&profile, &[home]), "profile:mine:/home/me/.aliyun/config.json");
}

#[test]
fn a_variable_of_a_role_alone_may_be_meant_for_another_tool() {
    let region = block(&[("region", "cn-hangzhou")]);
    let variables =
        [("ALIBABA_CLOUD_ROLE_ARN", "no ARN"), ("ALIBABA_CLOUD_ROLE_SESSION_NAME", "x")];
    assert_eq!(errors(&region, &variables), Vec::<String>::new());
}

#[test]
fn a_profile_file_in_the_block_alone_means_its_current_profile() {
    let file = block(&[("shared_credentials_file", "~/ci.json")]);
    assert_eq!(source(&file, &[("HOME", "/home/me")]), "profile:current:/home/me/ci.json");
    // The variable may be meant for another tool.
    assert_eq!(source(&Object::new(), &[("ALIBABA_CLOUD_CREDENTIALS_FILE", "/ini")]), "");
}

#[test]
fn the_profile_is_kept_for_its_region_when_the_keys_are_elsewhere() {
    let keys = [("OSS_ACCESS_KEY_ID", "id"), ("OSS_ACCESS_KEY_SECRET", "secret")];
    let profile = block(&[("profile", "dev")]);
    assert_eq!(source(&profile, &keys), "keys:id");
    assert!(config(&profile, &keys).profile.is_some());
}

#[test]
fn a_role_goes_on_top_of_what_was_found() {
    let keys = [("OSS_ACCESS_KEY_ID", "id"), ("OSS_ACCESS_KEY_SECRET", "secret")];
    let role = Object::new().with("role_arn", "acs:ram::1:role/top");
    let top = block(&[("region", "cn-hangzhou")]).with("assume_role", role);
    assert_eq!(
        source(&top, &keys),
        "keys:id+acs:ram::1:role/top@https://sts.cn-hangzhou.aliyuncs.com"
    );
    let internal = top.clone().with("endpoint_type", "internal");
    assert!(source(&internal, &keys).ends_with("@https://sts-vpc.cn-hangzhou.aliyuncs.com"));
    let explicit = top.clone().with("sts_endpoint", "http://127.0.0.1:1");
    assert!(source(&explicit, &keys).ends_with("@http://127.0.0.1:1"));
    // The role may come from the environment; the block says that one is to be assumed.
    let arn = ("ALICLOUD_ASSUME_ROLE_ARN", "acs:ram::1:role/env");
    let empty = block(&[]).with("assume_role", Object::new());
    assert_eq!(
        source(&empty, &[keys[0], keys[1], arn]),
        "keys:id+acs:ram::1:role/env@https://sts.aliyuncs.com"
    );
    assert_eq!(source(&Object::new(), &[keys[0], keys[1], arn]), "keys:id");
}

#[test]
fn an_oidc_token_of_the_block_wins_over_one_of_the_environment() {
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
fn mistakes_are_found_at_their_argument_without_an_environment() {
    let role = |name: &str, value: Value| {
        Object::new().with("assume_role", Object::new().with(name, value))
    };
    let oidc = |name: &str, value: &str| {
        Object::new().with("assume_role_with_oidc", Object::new().with(name, value))
    };
    let number = |number: i64| Value::Number(number.into());
    for (block, expected) in [
        (block(&[("endpoint_type", "vpc")]), "endpoint_type: Invalid endpoint type"),
        (
            block(&[("endpoint_type", "public"), ("endpoint", "a.example")]),
            "endpoint_type: Conflicting endpoints",
        ),
        (block(&[("address_style", "x")]), "address_style: Invalid address style"),
        (block(&[("sts_endpoint", "x y")]), "sts_endpoint: Invalid endpoint"),
        (block(&[("sts_endpoint", "http://x.example")]), "sts_endpoint: Unencrypted STS endpoint"),
        (block(&[("credentials_uri", "x")]), "credentials_uri: Invalid credentials URI"),
        (block(&[("ecs_role_name", "a/b")]), "ecs_role_name: Invalid role name"),
        (block(&[("connect_timeout", "soon")]), "connect_timeout: Invalid duration"),
        (block(&[("read_timeout", "-1s")]), "read_timeout: Invalid duration"),
        (Object::new().with("max_retries", number(-1)), "max_retries: Invalid number"),
        (role("role_arn", "deploy".into()), "assume_role.role_arn: Invalid role ARN"),
        (role("session_name", "a b".into()), "assume_role.session_name: Invalid session name"),
        (role("external_id", "x".into()), "assume_role.external_id: Invalid external id"),
        (role("policy", "{".into()), "assume_role.policy: Invalid policy"),
        (
            role("session_expiration", number(60)),
            "assume_role.session_expiration: Invalid session length",
        ),
        (
            oidc("oidc_provider_arn", "gh"),
            "assume_role_with_oidc.oidc_provider_arn: Invalid identity provider ARN",
        ),
    ] {
        let found: Vec<String> = validate(&block)
            .into_iter()
            .map(|Diagnostic { attribute, summary, .. }| {
                format!("{}: {summary}", attribute.unwrap())
            })
            .collect();
        assert_eq!(found, [expected]);
    }
}

#[test]
fn a_block_without_a_role_is_an_error_once_everything_is_known() {
    let region = block(&[("region", "cn-hangzhou")]);
    let top = region.clone().with("assume_role", Object::new());
    assert_eq!(errors(&top, &[]), ["assume_role.role_arn: Incomplete role"]);
    let oidc = region.clone().with("assume_role_with_oidc", Object::new());
    assert_eq!(
        errors(&oidc, &[]),
        [
            "assume_role_with_oidc.role_arn: Incomplete role",
            "assume_role_with_oidc.oidc_provider_arn: Incomplete role",
            "assume_role_with_oidc.oidc_token_file: Incomplete role",
        ]
    );
    assert_eq!(validate(&top).into_iter().count(), 0);
    let unknown = Object::new().with("role_arn", Value::Unknown);
    let (settings, _) = resolve(&region.with("assume_role", unknown), &Environment::default());
    assert_eq!(settings.unwrap().unknown, ["assume_role.role_arn"]);
}

#[test]
fn limits_of_the_transport_are_taken_over() {
    let block = block(&[("connect_timeout", "2s"), ("read_timeout", "1m")])
        .with("max_retries", Value::Number(0.into()));
    let config = config(&block, &[]);
    assert_eq!(config.connect_timeout, Duration::from_secs(2));
    assert_eq!(config.read_timeout, Duration::from_mins(1));
    assert_eq!(config.retry.max_attempts, 1);
}

#[test]
fn a_url_with_a_key_is_not_repeated() {
    for arguments in [
        &[("endpoint", "https://user:the-secret@a.example"), ("endpoint_type", "public")][..],
        &[("endpoint", "https://a.example/?token=the-secret")],
        &[("endpoint", "https://a.example/#the-secret")],
        &[("credentials_uri", "ftp://a.example/?token=the-secret")],
    ] {
        let diagnostics: Vec<Diagnostic> = validate(&block(arguments)).into_iter().collect();
        assert!(!diagnostics.is_empty());
        assert!(!format!("{diagnostics:?}").contains("the-secret"), "{diagnostics:?}");
    }
}

#[test]
fn variables_of_sources_that_are_not_chosen_are_not_looked_at() {
    let region = block(&[("region", "cn-hangzhou")]);
    let keys = [("OSS_ACCESS_KEY_ID", "id"), ("OSS_ACCESS_KEY_SECRET", "secret")];
    for (name, value, problem) in [
        ("STS_ENDPOINT", "no endpoint", None),
        ("STS_ENDPOINT", "http://sts.example.com", None),
        ("ALIBABA_CLOUD_STS_REGION", "NO REGION", None),
        ("ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT", "nothing", None),
        ("ALICLOUD_CREDENTIALS_URI", "nothing", Some("credentials_uri: Invalid credentials URI")),
        ("ALICLOUD_ECS_ROLE_NAME", "a/b", Some("ecs_role_name: Invalid role name")),
    ] {
        let [id, secret] = keys;
        assert_eq!(errors(&region, &[id, secret, (name, value)]), Vec::<String>::new(), "{name}");
        // Where it is what the keys come from, it has to be right.
        if let Some(problem) = problem {
            assert_eq!(errors(&region, &[(name, value)]), [problem]);
        }
    }
    let oidc = [
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "nothing"),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/token"),
        ("ALIBABA_CLOUD_ROLE_ARN", "nothing"),
    ];
    assert_eq!(errors(&region, &[keys, [oidc[0], oidc[1]]].concat()), Vec::<String>::new());
    assert_eq!(errors(&region, &[&keys[..], &oidc].concat()), Vec::<String>::new());
    assert_eq!(
        errors(&region, &oidc),
        [
            "assume_role_with_oidc.oidc_provider_arn: Invalid identity provider ARN",
            "assume_role_with_oidc.role_arn: Invalid role ARN",
        ]
    );
    // A role needs STS, whoever assumes it.
    let role = region.clone().with("assume_role", block(&[("role_arn", "acs:ram::1:role/r")]));
    for (name, problem) in [
        ("STS_ENDPOINT", "sts_endpoint: Invalid endpoint"),
        ("ALIBABA_CLOUD_STS_REGION", "region: Invalid region"),
    ] {
        assert_eq!(errors(&role, &[keys[0], keys[1], (name, "NO x")]), [problem]);
    }
    // Without a source nothing is needed of any, and keys that are not known yet are chosen.
    let metadata = ("ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT", "nothing");
    let sts = ("STS_ENDPOINT", "http://sts.example.com");
    let uri = ("ALICLOUD_CREDENTIALS_URI", "nothing");
    assert_eq!(errors(&region, &[metadata, sts]), Vec::<String>::new());
    assert_eq!(errors(&role, &[keys[0], keys[1], metadata]), Vec::<String>::new());
    let later =
        region.clone().with("access_key", Value::Unknown).with("secret_key", Value::Unknown);
    assert_eq!(errors(&later, &[uri]), Vec::<String>::new());
    let instance = region.clone().with("ecs_role_name", "worker");
    assert_eq!(errors(&instance, &[sts]), Vec::<String>::new());
    assert_eq!(errors(&instance, &[metadata]), ["ecs_role_name: Invalid metadata endpoint"]);
    // What the block says is looked at in any case.
    let block = region.with("credentials_uri", "nothing").with("sts_endpoint", "no endpoint");
    assert_eq!(
        errors(&block, &keys),
        ["sts_endpoint: Invalid endpoint", "credentials_uri: Invalid credentials URI"]
    );
}

#[test]
fn what_is_unknown_about_a_source_that_is_not_chosen_does_not_matter() {
    let keys = [("OSS_ACCESS_KEY_ID", "id"), ("OSS_ACCESS_KEY_SECRET", "secret")];
    let unknown = |block: &Object, variables: &[(&str, &str)]| {
        resolve(block, &environment(variables)).0.unwrap().unknown
    };
    let region = block(&[("region", "cn-hangzhou")]);
    let uri = region.clone().with("credentials_uri", Value::Unknown);
    let role = region.clone().with("ecs_role_name", Value::Unknown);
    for (block, name) in [(uri, "credentials_uri"), (role, "ecs_role_name")] {
        assert_eq!(unknown(&block, &keys), Vec::<String>::new());
        assert_eq!(unknown(&block, &[]), [name]);
    }
    // Keys that are known need neither STS nor, with a region, a profile.
    for name in ["sts_endpoint", "profile", "shared_credentials_file"] {
        let block = region.clone().with(name, Value::Unknown);
        assert_eq!(unknown(&block, &keys), Vec::<String>::new(), "{name}");
        let nowhere = Object::new().with("endpoint", "https://oss.example.com");
        let expected: &[&str] = if name == "sts_endpoint" { &[] } else { &[name] };
        let (settings, _) = resolve(&nowhere.with(name, Value::Unknown), &environment(&keys));
        assert_eq!(
            settings.map(|settings| settings.unknown).unwrap_or_default(),
            expected,
            "{name}"
        );
    }
    // A role needs STS.
    let role = block(&[("role_arn", "acs:ram::1:role/r")]);
    let role = region.clone().with("assume_role", role).with("sts_endpoint", Value::Unknown);
    assert_eq!(unknown(&role, &keys), ["sts_endpoint"]);
    // A role of a block that is not needed may still become known.
    for (name, value) in [("role_arn", Value::Unknown), ("oidc_token", Value::Unknown)] {
        let mut oidc = block(&[
            ("oidc_provider_arn", "acs:ram::1:oidc-provider/gh"),
            ("role_arn", "acs:ram::1:role/r"),
        ]);
        oidc.set(name, value);
        if name == "role_arn" {
            oidc.set("oidc_token_file", "/token");
        }
        let block = region.clone().with("assume_role_with_oidc", oidc);
        assert_eq!(unknown(&block, &keys), Vec::<String>::new(), "{name}");
    }
    assert_eq!(
        unknown(&region.clone().with("assume_role_with_oidc", Value::Unknown), &keys),
        Vec::<String>::new()
    );
    for block in ["assume_role", "assume_role_with_oidc"] {
        assert_eq!(unknown(&region.clone().with(block, Value::Unknown), &[]), [block]);
    }
    // A variable does not stand in for an endpoint that is only not known yet.
    let endpoint = region.clone().with("endpoint", Value::Unknown);
    let variable = ("OSS_ENDPOINT", "oss.example.com");
    assert_eq!(unknown(&endpoint, &[variable]), ["endpoint"]);
    assert!(config(&endpoint, &[variable]).endpoint.is_none());
}

#[test]
fn keys_from_the_environment_are_checked_too() {
    let region = block(&[("region", "cn-hangzhou")]);
    let good = ["id", "secret", "token"];
    let [id, secret, token] = environment::ACCESS_KEY_VARS[3];
    for (index, attribute) in ["access_key", "secret_key", "security_token"].into_iter().enumerate()
    {
        let mut values = good;
        values[index] = "with a\nbreak";
        let variables = [(id, values[0]), (secret, values[1]), (token, values[2])];
        assert_eq!(errors(&region, &variables), [format!("{attribute}: Invalid access key")]);
    }
}

#[test]
fn sts_is_asked_where_the_environment_says() {
    let keys = [("OSS_ACCESS_KEY_ID", "id"), ("OSS_ACCESS_KEY_SECRET", "secret")];
    let role = || block(&[("role_arn", "acs:ram::1:role/r")]);
    let place = |block: Object, variable: (&str, &str)| {
        let source = source(&block.with("assume_role", role()), &[keys[0], keys[1], variable]);
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
        assert_eq!(place(block, variable), expected, "{variable:?}");
    }
}

#[test]
fn sessions_and_tokens_come_from_the_environment_too() {
    let keys = [("OSS_ACCESS_KEY_ID", "id"), ("OSS_ACCESS_KEY_SECRET", "secret")];
    let top = Object::new().with("assume_role", block(&[("role_arn", "acs:ram::1:role/r")]));
    let variables = [
        keys[0],
        keys[1],
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
            &[keys[0], keys[1], ("ALICLOUD_ASSUME_ROLE_SESSION_EXPIRATION", "an hour")]
        ),
        ["assume_role: Invalid session length"]
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

#[test]
fn version_1_of_the_metadata_service_can_be_switched_off() {
    for (value, expected) in [("true", true), ("false", false), ("", false)] {
        let variables = [("ALICLOUD_ECS_ROLE_NAME", "r"), ("ALIBABA_CLOUD_IMDSV1_DISABLED", value)];
        let Some(CredentialSource::EcsRole(role)) = config(&Object::new(), &variables).credentials
        else {
            panic!()
        };
        assert_eq!(role.defaults.is_metadata_v1_disabled, expected, "{value:?}");
    }
}

#[test]
fn impossible_addresses_are_errors() {
    for (arguments, expected) in [
        ([("address_style", "cname"), ("region", "r")], "address_style: Missing endpoint"),
        ([("address_style", "path"), ("region", "r")], "address_style: Impossible address style"),
        (
            [("address_style", "virtual"), ("endpoint", "127.0.0.1:1")],
            "address_style: Impossible address style",
        ),
    ] {
        assert_eq!(errors(&block(&arguments), &[])[0], expected);
    }
}

#[test]
fn keys_that_travel_in_the_clear_are_worth_a_warning() {
    for (name, value, expected) in [
        ("credentials_uri", "http://keys.example.com/x?token=the-secret", 1),
        ("credentials_uri", "http://127.0.0.1:1/x", 0),
        ("credentials_uri", "https://keys.example.com/x", 0),
        ("endpoint", "http://oss.example.com", 1),
    ] {
        let block = block(&[(name, value), ("region", "cn-hangzhou")]);
        let (settings, diagnostics) = resolve(&block, &Environment::default());
        assert!(settings.is_some());
        assert!(!format!("{diagnostics:?}").contains("the-secret"));
        assert_eq!(diagnostics.into_iter().count(), expected, "{value}");
    }
}

/// Variables of the same meaning, the value that makes a word one of theirs, and what else has to be
/// there.
type Variables<'a> = (&'a [&'a str], fn(&str) -> String, Object, &'a [(&'a str, &'a str)]);

#[test]
fn variables_are_looked_at_in_the_order_of_the_documentation() {
    let role = Object::new().with("assume_role", block(&[("role_arn", "acs:ram::1:role/r")]));
    let unnamed = Object::new().with("assume_role", Object::new());
    let file = Object::new().with("profile", "ci");
    let keys = [("OSS_ACCESS_KEY_ID", "id"), ("OSS_ACCESS_KEY_SECRET", "secret")];
    let shown = |block: &Object, variables: &[(&str, &str)]| {
        let config = config(block, variables);
        format!("{:?} {:?} {:?}", config.region, config.endpoint, config.credentials)
    };
    let cases: [Variables<'_>; 9] = [
        (&["ALICLOUD_REGION", "ALIBABA_CLOUD_REGION"], str::to_owned, Object::new(), &[]),
        (&["ALIBABA_CLOUD_ENDPOINT_OSS", "OSS_ENDPOINT"], str::to_owned, Object::new(), &[]),
        (&["ALICLOUD_PROFILE", "ALIBABA_CLOUD_PROFILE"], str::to_owned, Object::new(), &[]),
        (
            &["ALICLOUD_SHARED_CREDENTIALS_FILE", "ALIBABA_CLOUD_CREDENTIALS_FILE"],
            str::to_owned,
            file,
            &[],
        ),
        (
            &["ALICLOUD_CREDENTIALS_URI", "ALIBABA_CLOUD_CREDENTIALS_URI"],
            |word| format!("https://{word}/"),
            Object::new(),
            &[],
        ),
        (
            &["ALICLOUD_ECS_ROLE_NAME", "ALIBABA_CLOUD_ECS_METADATA"],
            str::to_owned,
            Object::new(),
            &[],
        ),
        (
            &["ALICLOUD_ASSUME_ROLE_ARN", "ALIBABA_CLOUD_ROLE_ARN"],
            |word| format!("acs:ram::1:role/{word}"),
            unnamed,
            &keys,
        ),
        (
            &["ALICLOUD_ASSUME_ROLE_SESSION_NAME", "ALIBABA_CLOUD_ROLE_SESSION_NAME"],
            str::to_owned,
            role.clone(),
            &keys,
        ),
        (
            &["ALIBABA_CLOUD_ENDPOINT_STS", "STS_ENDPOINT", "ALIBABA_CLOUD_STS_ENDPOINT"],
            str::to_owned,
            role,
            &keys,
        ),
    ];
    for (names, value, block, more) in cases {
        let words = ["first-word", "second-word", "third-word"];
        for skipped in 0..names.len() {
            let values: Vec<(&str, String)> = names
                .iter()
                .zip(words)
                .skip(skipped)
                .map(|(name, word)| (*name, value(word)))
                .collect();
            let set = values.iter().map(|(name, value)| (*name, value.as_str()));
            let set: Vec<(&str, &str)> = set.chain(more.iter().copied()).collect();
            let found = shown(&block, &set);
            let taken: Vec<&str> = words.into_iter().filter(|word| found.contains(word)).collect();
            assert_eq!(taken, [words[skipped]], "{}: {found}", names[skipped]);
        }
    }
}
