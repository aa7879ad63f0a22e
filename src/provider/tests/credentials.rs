//! The selection of a credential source.

use secrecy::ExposeSecret as _;

use crate::tfplugin::Value;

use super::*;

/// AccessKey ID, security token and origin of the selected credentials.
fn static_credentials(block: &[(&str, &str)], variables: &[(&str, &str)]) -> [String; 3] {
    let found = config(&self::block(block), variables).credentials;
    let Some(CredentialSource::Static { credentials, origin }) = found else {
        return Default::default();
    };
    let token = credentials.security_token.map(|token| token.expose_secret().to_owned());
    [credentials.access_key_id, token.unwrap_or_default(), origin]
}

#[test]
fn sets_of_variables_are_never_mixed() {
    let variables: Vec<(&str, &str)> = environment::ACCESS_KEY_VARS
        .iter()
        .flat_map(|[id, secret, token]| [(*id, *id), (*secret, "secret"), (*token, *token)])
        .collect();
    for (index, [id, _, token]) in environment::ACCESS_KEY_VARS.into_iter().enumerate() {
        let origin = format!("the environment variable {id}");
        assert_eq!(static_credentials(&[], &variables[index * 3..]), [id, token, origin.as_str()]);
    }
    // The block takes precedence, also without a token.
    let block = [("access_key", "mine"), ("secret_key", "secret")];
    assert_eq!(static_credentials(&block, &variables), ["mine", "", "the provider block"]);
    // Empty variables count as not set.
    assert_eq!(
        static_credentials(&[], &[("ALICLOUD_ACCESS_KEY", ""), ("OSS_ACCESS_KEY_ID", "")])[0],
        ""
    );
}

#[test]
fn a_token_that_stands_alone_belongs_to_the_pair_of_another_set() {
    let pair = |id| [("ALICLOUD_ACCESS_KEY", id), ("ALICLOUD_SECRET_KEY", "secret")];
    let stray = ("ALIBABA_CLOUD_SECURITY_TOKEN", "token");
    for id in ["STS.id", "id"] {
        let [first, second] = pair(id);
        assert_eq!(static_credentials(&[], &[first, second, stray])[..2], [id, "token"]);
    }
    // Its own token takes precedence, and a token with a pair of its own stays with it.
    let [first, second] = pair("STS.id");
    let own = ("ALICLOUD_SECURITY_TOKEN", "own");
    assert_eq!(static_credentials(&[], &[first, second, own, stray])[1], "own");
    let [first, second] = pair("id");
    let other = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "STS.other");
    assert_eq!(static_credentials(&[], &[first, second, other, stray])[1], "");
}

#[test]
fn id_and_token_belong_together() {
    let region = block(&[("region", "cn-hangzhou")]);
    for [id, secret, token] in environment::ACCESS_KEY_VARS {
        let pair = |text| [(id, text), (secret, "secret")];
        assert_eq!(errors(&region, &pair("STS.id")), ["access_key: Missing security token"]);
        assert_eq!(
            errors(&region, &[pair("LTAI5t")[0], pair("")[1], (token, "token")]),
            ["security_token: Unexpected security token"]
        );
        assert_eq!(errors(&region, &pair("LTAI5t")), Vec::<String>::new());
    }
    let stray = [
        ("ALICLOUD_ACCESS_KEY", "LTAI5t"),
        ("ALICLOUD_SECRET_KEY", "secret"),
        ("OSS_SESSION_TOKEN", "token"),
    ];
    assert_eq!(errors(&region, &stray), ["security_token: Unexpected security token"]);
    let in_block = region.with("secret_key", "secret");
    let temporary = in_block.clone().with("access_key", "STS.id");
    assert_eq!(errors(&temporary, &[]), ["access_key: Missing security token"]);
    // A pipeline that sets the token only: it is not used, and not dropped in silence.
    let token = ("ALIBABA_CLOUD_SECURITY_TOKEN", "token");
    let (_, diagnostics) = resolve(&temporary, &environment(&[token]));
    let detail = diagnostics.into_iter().next().unwrap().detail;
    assert!(detail.contains("ALIBABA_CLOUD_SECURITY_TOKEN is not used"), "{detail}");
    let unknown = temporary.with("security_token", Value::Unknown);
    assert_eq!(errors(&unknown, &[]), Vec::<String>::new());
    let permanent = in_block.with("access_key", "LTAI5t").with("security_token", "token");
    assert_eq!(errors(&permanent, &[]), ["security_token: Unexpected security token"]);
}

#[test]
fn a_source_in_the_block_that_is_not_used_is_a_warning() {
    let warnings = |block: &Object, variables: &[(&str, &str)]| -> Vec<String> {
        let (_, diagnostics) = resolve(block, &environment(variables));
        diagnostics.into_iter().map(|diagnostic| diagnostic.detail).collect()
    };
    let profile = block(&[("region", "cn-hangzhou"), ("profile", "dev")]);
    let [warning] = &warnings(&profile, &PAIR)[..] else { panic!() };
    assert!(warning.contains("OSS_ACCESS_KEY_ID") && warning.contains("\"dev\""), "{warning}");
    let mine = profile.with("access_key", "mine").with("secret_key", "secret");
    assert_eq!(warnings(&mine, &PAIR), Vec::<String>::new());
    let region = block(&[("region", "cn-hangzhou")]);
    let variable = ("ALICLOUD_PROFILE", "dev");
    assert_eq!(warnings(&region, &[PAIR[0], PAIR[1], variable]), Vec::<String>::new());

    // Every source in the block, and every source in the environment that takes precedence over it.
    let uri = ("ALIBABA_CLOUD_CREDENTIALS_URI", "http://127.0.0.1:1/x");
    let instance = ("ALIBABA_CLOUD_ECS_METADATA", "r");
    let oidc = block(&[
        ("oidc_provider_arn", "acs:ram::1:oidc-provider/p"),
        ("role_arn", "acs:ram::1:role/r"),
        ("oidc_token_file", "/t"),
    ]);
    let with_oidc = region.clone().with("assume_role_with_oidc", oidc);
    let with = |name: &str, value: &str| region.clone().with(name, value);
    for (block, variables, expected) in [
        (with("shared_credentials_file", "/x"), &PAIR[..], &["OSS_ACCESS_KEY_ID"][..]),
        (with("shared_credentials_file", "/x"), &[variable], &[]),
        (with("credentials_uri", "http://127.0.0.1:2/x"), &PAIR, &["OSS_ACCESS_KEY_ID"]),
        (with("credentials_uri", "http://127.0.0.1:2/x"), &[variable, uri], &["ALICLOUD_PROFILE"]),
        (with("credentials_uri", "http://127.0.0.1:2/x"), &[uri], &[]),
        (with("ecs_role_name", "mine"), &[uri, instance], &["ALIBABA_CLOUD_CREDENTIALS_URI"]),
        (with("ecs_role_name", "mine"), &[instance], &[]),
        (with_oidc.clone(), &PAIR, &["OSS_ACCESS_KEY_ID"]),
        (with_oidc.clone(), &[variable], &["ALICLOUD_PROFILE"]),
        (with_oidc.clone(), &[instance], &["ALIBABA_CLOUD_ECS_METADATA"]),
        (with_oidc, &[("HOME", "/home/me")], &[]),
    ] {
        let warnings = warnings(&block, variables);
        assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
        for (warning, expected) in warnings.iter().zip(expected) {
            assert!(warning.contains(expected), "{warning}");
        }
    }
}

#[test]
fn a_token_of_another_set_is_named() {
    let variables = [PAIR[0], PAIR[1], ("ALIBABACLOUD_SECURITY_TOKEN", "token")];
    assert_eq!(
        static_credentials(&[], &variables)[2],
        "the environment variable OSS_ACCESS_KEY_ID (security token: ALIBABACLOUD_SECURITY_TOKEN)"
    );
}

#[test]
fn the_current_profile_of_the_cli_is_the_last_resort() {
    let home = ("HOME", "/home/me");
    let nothing = Object::new();
    let current = "profile:current:/home/me/.aliyun/config.json";
    assert_eq!(source(&nothing, &[home]), current);
    assert!(config(&nothing, &[home]).profile.is_some(), "for its region");
    for variable in ["ALICLOUD_SHARED_CREDENTIALS_FILE", "ALIBABA_CLOUD_CONFIG_FILE"] {
        assert_eq!(source(&nothing, &[home, (variable, "~/x")]), "profile:current:/home/me/x");
    }
    // Without a path, the profile only says why.
    for (variables, expected) in [
        (vec![], "the environment variable HOME is not set"),
        (
            vec![home, ("ALIBABA_CLOUD_IGNORE_PROFILE", "TRUE")],
            "ALIBABA_CLOUD_IGNORE_PROFILE is set",
        ),
        (
            vec![home, ("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "true")],
            "the environment variable ALIBABA_CLOUD_CLI_PROFILE_DISABLED is set",
        ),
        (vec![home, ("ALIBABACLOUD_IGNORE_PROFILE", "1")], "ALIBABACLOUD_IGNORE_PROFILE is set"),
    ] {
        let config = config(&nothing, &variables);
        let Some(CredentialSource::Profile(profile)) = config.credentials else { panic!() };
        assert_eq!(profile.path.as_os_str(), "");
        let skipped = profile.last_resort.unwrap().skipped.unwrap();
        assert!(skipped.contains(expected), "{skipped}");
        assert!(config.profile.is_none(), "it has no region");
    }
    assert!(config(&nothing, &[PAIR[0], PAIR[1], home]).profile.is_none());
    // What is not known yet may be a source.
    let unknown = nothing.with("credentials_uri", Value::Unknown);
    assert_eq!(source(&unknown, &[home]), "");
}

/// What is said about a partial configuration.
fn hint(variables: &[(&str, &str)]) -> Option<String> {
    let Some(CredentialSource::Profile(profile)) = config(&Object::new(), variables).credentials
    else {
        panic!()
    };
    profile.last_resort.and_then(|resort| resort.hint)
}

#[test]
fn an_incomplete_oidc_role_is_described() {
    let all = [
        ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/r"),
        ("ALIBABACLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/gh"),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/token"),
    ];
    for missing in 0..3 {
        let mut variables = all.to_vec();
        variables.remove(missing);
        let hint = hint(&variables).unwrap();
        let expected = all[missing].0.replace("ALIBABACLOUD", "ALIBABA_CLOUD");
        assert!(hint.contains(&format!("but {expected} is not")), "{hint}");
        assert_eq!(super::environment(&variables).first_set(&[all[missing].0]), None);
    }
    assert_eq!(hint(&all[..1]), None);
}

#[test]
fn a_security_token_without_a_pair_is_described() {
    for [id, secret, token] in environment::ACCESS_KEY_VARS {
        let hint = hint(&[(token, "token")]).unwrap();
        let is_first = environment::ACCESS_KEY_VARS.iter().find(|set| set[2] == token);
        if is_first == Some(&[id, secret, token]) {
            assert!(
                hint.contains(&format!("{token} is set, but {id} and {secret} are not")),
                "{hint}"
            );
        }
        assert!(!hint.contains("\"token\""), "{hint}");
    }
}

#[test]
fn an_incomplete_pair_names_the_missing_half() {
    for (arguments, expected) in [
        ([("access_key", "id")], "access_key: Incomplete AccessKey pair"),
        ([("secret_key", "secret")], "secret_key: Incomplete AccessKey pair"),
        ([("security_token", "token")], "security_token: Security token without AccessKey pair"),
        ([("access_key", "a b")], "access_key: Invalid credentials"),
    ] {
        let found = errors(&block(&arguments).with("region", "cn-hangzhou"), &[]);
        assert_eq!(found[0], expected);
    }
    let region = block(&[("region", "cn-hangzhou")]);
    for (variable, expected) in [
        ("OSS_ACCESS_KEY_ID", "access_key: Incomplete AccessKey pair"),
        ("ALICLOUD_SECRET_KEY", "secret_key: Incomplete AccessKey pair"),
    ] {
        assert_eq!(errors(&region, &[(variable, "x")]), [expected]);
    }
    // An unknown argument may turn out to be set.
    let half = block(&[("access_key", "id")]).with("secret_key", Value::Unknown);
    assert_eq!(errors(&half, &[]), Vec::<String>::new());
}

#[test]
fn credentials_from_the_environment_are_checked() {
    let region = block(&[("region", "cn-hangzhou")]);
    let good = ["id", "secret", "token"];
    let [id, secret, token] = environment::ACCESS_KEY_VARS[3];
    for (index, attribute) in ["access_key", "secret_key", "security_token"].into_iter().enumerate()
    {
        let mut values = good;
        values[index] = "with a\nbreak";
        let variables = [(id, values[0]), (secret, values[1]), (token, values[2])];
        assert_eq!(errors(&region, &variables), [format!("{attribute}: Invalid credentials")]);
    }
}

#[test]
fn sources_have_the_precedence_of_the_alicloud_provider() {
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
        (0, "static:id"),
        (2, "profile:dev:/home/me/.aliyun/config.json"),
        (3, "uri:127.0.0.1:1"),
        (4, "ecs:instance"),
        (5, "oidc:acs:ram::1:role/r:File(\"/token\")@https://sts.aliyuncs.com"),
        // All three variables are needed to use the token.
        (6, "profile:current:/home/me/.aliyun/config.json"),
        (8, "profile:current:/home/me/.aliyun/config.json"),
    ] {
        assert_eq!(source(&nothing, &variables[skipped..]), expected);
    }
    let mine = block(&[("access_key", "mine"), ("secret_key", "secret")]);
    assert_eq!(source(&mine, &variables), "static:mine");
    let profile = block(&[("profile", "mine"), ("ecs_role_name", "ecs")]);
    assert_eq!(source(&profile, &[home]), "profile:mine:/home/me/.aliyun/config.json");
}

#[test]
fn role_variables_alone_select_no_source() {
    let region = block(&[("region", "cn-hangzhou")]);
    let variables =
        [("ALIBABA_CLOUD_ROLE_ARN", "no ARN"), ("ALIBABA_CLOUD_ROLE_SESSION_NAME", "x")];
    assert_eq!(errors(&region, &variables), Vec::<String>::new());
}

#[test]
fn a_file_without_a_profile_uses_its_current_profile() {
    let file = block(&[("shared_credentials_file", "~/ci.json")]);
    assert_eq!(source(&file, &[("HOME", "/home/me")]), "profile:current:/home/me/ci.json");
    // The variable alone may be meant for another tool.
    let variable = ("ALIBABA_CLOUD_CREDENTIALS_FILE", "/ini");
    assert_eq!(source(&Object::new(), &[PAIR[0], PAIR[1], variable]), "static:id");
}

#[test]
fn a_profile_is_kept_for_its_region() {
    let profile = block(&[("profile", "dev")]);
    assert_eq!(source(&profile, &PAIR), "static:id");
    assert!(config(&profile, &PAIR).profile.is_some());
}

#[test]
fn normal_mode_of_the_metadata_service_can_be_disabled() {
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
fn variables_of_unused_sources_are_ignored() {
    let region = block(&[("region", "cn-hangzhou")]);
    for (name, value, expected) in [
        ("STS_ENDPOINT", "no endpoint", None),
        ("STS_ENDPOINT", "http://sts.example.com", None),
        ("ALIBABA_CLOUD_STS_REGION", "NO REGION", None),
        ("ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT", "nothing", None),
        ("ALICLOUD_CREDENTIALS_URI", "nothing", Some("credentials_uri: Invalid credentials URI")),
        ("ALICLOUD_ECS_ROLE_NAME", "a/b", Some("ecs_role_name: Invalid role name")),
    ] {
        let [id, secret] = PAIR;
        assert_eq!(errors(&region, &[id, secret, (name, value)]), Vec::<String>::new(), "{name}");
        // It is checked if the credentials come from it.
        if let Some(expected) = expected {
            assert_eq!(errors(&region, &[(name, value)]), [expected]);
        }
    }
    let oidc = [
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "nothing"),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/token"),
        ("ALIBABA_CLOUD_ROLE_ARN", "nothing"),
    ];
    assert_eq!(errors(&region, &[PAIR, [oidc[0], oidc[1]]].concat()), Vec::<String>::new());
    assert_eq!(errors(&region, &[&PAIR[..], &oidc].concat()), Vec::<String>::new());
    assert_eq!(
        errors(&region, &oidc),
        [
            "assume_role_with_oidc.oidc_provider_arn: Invalid identity provider ARN",
            "assume_role_with_oidc.role_arn: Invalid role ARN",
        ]
    );
    // Assuming a role needs STS, whatever the base source is.
    let role =
        region.clone().with("assume_role", repeated(block(&[("role_arn", "acs:ram::1:role/r")])));
    for (name, expected) in [
        ("STS_ENDPOINT", "sts_endpoint: Invalid endpoint"),
        ("ALIBABA_CLOUD_STS_REGION", "region: Invalid region"),
    ] {
        assert_eq!(errors(&role, &[PAIR[0], PAIR[1], (name, "NO x")]), [expected]);
    }
    // Nothing is checked without a source, or if unknown credentials are selected.
    let metadata = ("ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT", "nothing");
    let sts = ("STS_ENDPOINT", "http://sts.example.com");
    let uri = ("ALICLOUD_CREDENTIALS_URI", "nothing");
    assert_eq!(errors(&region, &[metadata, sts]), Vec::<String>::new());
    assert_eq!(errors(&role, &[PAIR[0], PAIR[1], metadata]), Vec::<String>::new());
    let later =
        region.clone().with("access_key", Value::Unknown).with("secret_key", Value::Unknown);
    assert_eq!(errors(&later, &[uri]), Vec::<String>::new());
    let instance = region.clone().with("ecs_role_name", "worker");
    assert_eq!(errors(&instance, &[sts]), Vec::<String>::new());
    assert_eq!(errors(&instance, &[metadata]), ["ecs_role_name: Invalid metadata endpoint"]);
    // Arguments of the block are always checked.
    let block = region.with("credentials_uri", "nothing").with("sts_endpoint", "no endpoint");
    assert_eq!(
        errors(&block, &PAIR),
        ["sts_endpoint: Invalid endpoint", "credentials_uri: Invalid credentials URI"]
    );
}

#[test]
fn unknown_arguments_of_unused_sources_are_ignored() {
    let unknown = |block: &Object, variables: &[(&str, &str)]| {
        resolve(block, &environment(variables)).0.unwrap().unknown
    };
    let region = block(&[("region", "cn-hangzhou")]);
    let uri = region.clone().with("credentials_uri", Value::Unknown);
    let role = region.clone().with("ecs_role_name", Value::Unknown);
    for (block, name) in [(uri, "credentials_uri"), (role, "ecs_role_name")] {
        assert_eq!(unknown(&block, &PAIR), Vec::<String>::new());
        assert_eq!(unknown(&block, &[]), [name]);
    }
    // Known credentials need neither STS nor, with a region, a profile.
    for name in ["sts_endpoint", "profile", "shared_credentials_file"] {
        let block = region.clone().with(name, Value::Unknown);
        assert_eq!(unknown(&block, &PAIR), Vec::<String>::new(), "{name}");
        let no_region = Object::new().with("endpoint", "https://oss.example.com");
        let expected: &[&str] = if name == "sts_endpoint" { &[] } else { &[name] };
        let (settings, _) = resolve(&no_region.with(name, Value::Unknown), &environment(&PAIR));
        assert_eq!(
            settings.map(|settings| settings.unknown).unwrap_or_default(),
            expected,
            "{name}"
        );
    }
    // A role needs STS.
    let role = block(&[("role_arn", "acs:ram::1:role/r")]);
    let role =
        region.clone().with("assume_role", repeated(role)).with("sts_endpoint", Value::Unknown);
    assert_eq!(unknown(&role, &PAIR), ["sts_endpoint"]);
    // The role of an unused block may be unknown.
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
        assert_eq!(unknown(&block, &PAIR), Vec::<String>::new(), "{name}");
    }
    assert_eq!(
        unknown(&region.clone().with("assume_role_with_oidc", Value::Unknown), &PAIR),
        Vec::<String>::new()
    );
    for block in ["assume_role", "assume_role_with_oidc"] {
        assert_eq!(unknown(&region.clone().with(block, Value::Unknown), &[]), [block]);
    }
    // A variable does not replace an unknown endpoint.
    let endpoint = region.clone().with("endpoint", Value::Unknown);
    let variable = ("OSS_ENDPOINT", "oss.example.com");
    assert_eq!(unknown(&endpoint, &[variable]), ["endpoint"]);
    assert!(config(&endpoint, &[variable]).endpoint.is_none());
}
