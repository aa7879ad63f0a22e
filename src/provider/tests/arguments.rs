//! Arguments other than credentials: precedence, mistakes, contradictions.

use std::time::Duration;

use crate::tfplugin::Value;

use super::*;

#[test]
fn region_and_endpoint_have_a_precedence() {
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
    // `endpoint_type` selects an endpoint, too.
    assert_eq!(of(&[("endpoint_type", "internal")], &all), "first ");
}

#[test]
fn a_region_is_required() {
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

#[test]
fn mistakes_are_reported_at_the_offending_argument() {
    let role = |name: &str, value: Value| {
        Object::new().with("assume_role", repeated(Object::new().with(name, value)))
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
        (role("role_arn", "deploy".into()), "assume_role[0].role_arn: Invalid role ARN"),
        (role("session_name", "a b".into()), "assume_role[0].session_name: Invalid session name"),
        (role("external_id", "x".into()), "assume_role[0].external_id: Invalid external ID"),
        (role("policy", "{".into()), "assume_role[0].policy: Invalid policy"),
        (
            role("session_expiration", number(60)),
            "assume_role[0].session_expiration: Invalid session duration",
        ),
        (
            oidc("oidc_provider_arn", "gh"),
            "assume_role_with_oidc.oidc_provider_arn: Invalid identity provider ARN",
        ),
    ] {
        let found: Vec<String> = settings::validate(&block)
            .into_iter()
            .map(|Diagnostic { attribute, summary, .. }| {
                format!("{}: {summary}", attribute.unwrap())
            })
            .collect();
        assert_eq!(found, [expected]);
    }
}

#[test]
fn retries_and_timeouts_are_applied() {
    let block = block(&[("connect_timeout", "2s"), ("read_timeout", "1m")])
        .with("max_retries", Value::Number(0.into()));
    let config = config(&block, &[]);
    assert_eq!(config.connect_timeout, Duration::from_secs(2));
    assert_eq!(config.read_timeout, Duration::from_mins(1));
    assert_eq!(config.retry.max_attempts, 1);
}

#[test]
fn secrets_in_urls_are_not_shown() {
    for arguments in [
        &[("endpoint", "https://user:the-secret@a.example"), ("endpoint_type", "public")][..],
        &[("endpoint", "https://a.example/?token=the-secret")],
        &[("endpoint", "https://a.example/#the-secret")],
        &[("credentials_uri", "ftp://a.example/?token=the-secret")],
    ] {
        let diagnostics: Vec<Diagnostic> =
            settings::validate(&block(arguments)).into_iter().collect();
        assert!(!diagnostics.is_empty());
        assert!(!format!("{diagnostics:?}").contains("the-secret"), "{diagnostics:?}");
    }
}

#[test]
fn unsupported_addresses_are_errors() {
    for (arguments, expected) in [
        ([("address_style", "cname"), ("region", "r")], "address_style: Missing endpoint"),
        ([("address_style", "path"), ("region", "r")], "address_style: Unsupported address style"),
        (
            [("address_style", "virtual"), ("endpoint", "127.0.0.1:1")],
            "address_style: Unsupported address style",
        ),
    ] {
        assert_eq!(errors(&block(&arguments), &[])[0], expected);
    }
}

#[test]
fn a_region_and_its_documented_endpoint_are_no_contradiction() {
    let warnings = |arguments: &[(&str, &str)]| {
        let (settings, diagnostics) = resolve(&block(arguments), &Environment::default());
        assert!(settings.is_some(), "{arguments:?}");
        diagnostics.into_iter().map(|warning| warning.summary).collect::<Vec<_>>()
    };
    for (region, endpoint, expected) in [
        ("cn-hangzhou-finance", "oss-cn-hzfinance.aliyuncs.com", &[][..]),
        ("cn-hangzhou-finance", "oss-cn-hzfinance-internal.aliyuncs.com", &[]),
        ("cn-hangzhou-finance", "oss-cn-hzjbp-a-internal.aliyuncs.com", &[]),
        ("cn-hangzhou-finance", "cn-hangzhou-finance.oss.aliyuncs.com", &[]),
        ("cn-shanghai-finance-1", "oss-cn-shanghai-finance-1-pub.aliyuncs.com", &[]),
        ("cn-shanghai-finance-1", "oss-cn-shanghai-finance-1-internal.aliyuncs.com", &[]),
        ("cn-shanghai-finance-1", "cn-shanghai-finance.oss.aliyuncs.com", &[]),
        ("cn-shenzhen-finance-1", "oss-cn-szfinance.aliyuncs.com", &[]),
        ("cn-beijing-finance-1", "oss-cn-beijing-finance-1-pub-internal.aliyuncs.com", &[]),
        ("cn-north-2-gov-1", "oss-cn-north-2-gov-1-internal.aliyuncs.com", &[]),
        ("cn-shanghai", "oss-accelerate.aliyuncs.com", &[]),
        (
            "cn-shenzhen-finance-1",
            "oss-cn-hzfinance.aliyuncs.com",
            &["Region does not match endpoint"],
        ),
        ("cn-hzfinance", "oss-cn-hzfinance.aliyuncs.com", &["Region does not match endpoint"]),
    ] {
        assert_eq!(warnings(&[("region", region), ("endpoint", endpoint)]), expected, "{endpoint}");
    }
}

#[test]
fn an_endpoint_names_no_region_and_no_bucket() {
    for (endpoint, style, expected) in [
        ("cn-hangzhou", "auto", "endpoint: Invalid endpoint"),
        ("oss-cn-hangzhou-internal", "auto", "endpoint: Invalid endpoint"),
        ("//oss-cn-hangzhou.aliyuncs.com", "auto", "endpoint: Invalid endpoint"),
        ("demo.oss-cn-hangzhou.aliyuncs.com", "auto", "endpoint: Invalid endpoint"),
        ("demo.oss-cn-hzfinance.aliyuncs.com", "virtual", "endpoint: Invalid endpoint"),
        ("demo.oss-cn-hangzhou.aliyuncs.com", "cname", ""),
        ("demo.example.com", "auto", ""),
        ("my-service", "auto", ""),
    ] {
        let block =
            block(&[("region", "cn-hangzhou"), ("endpoint", endpoint), ("address_style", style)]);
        assert_eq!(errors(&block, &[]).join(" "), expected, "{endpoint} {style}");
        if let Some(error) = settings::validate(&block).into_iter().next() {
            // The same without the environment, at the argument, with the line to write instead.
            assert_eq!(error.attribute.map(|path| path.to_string()).as_deref(), Some("endpoint"));
            assert!(error.detail.to_lowercase().contains("write `"), "{}", error.detail);
        }
    }
}

#[test]
fn plaintext_connections_are_a_warning() {
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

/// Variables of one setting, how a word becomes a value of it, and what else must be configured.
type Variables<'a> = (&'a [&'a str], fn(&str) -> String, Object, &'a [(&'a str, &'a str)]);

#[test]
fn environment_variables_have_the_documented_precedence() {
    let role =
        Object::new().with("assume_role", repeated(block(&[("role_arn", "acs:ram::1:role/r")])));
    let unnamed = Object::new().with("assume_role", repeated(Object::new()));
    let file = Object::new().with("profile", "ci");
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
            &PAIR,
        ),
        (
            &["ALICLOUD_ASSUME_ROLE_SESSION_NAME", "ALIBABA_CLOUD_ROLE_SESSION_NAME"],
            str::to_owned,
            role.clone(),
            &PAIR,
        ),
        (
            &["ALIBABA_CLOUD_ENDPOINT_STS", "STS_ENDPOINT", "ALIBABA_CLOUD_STS_ENDPOINT"],
            str::to_owned,
            role,
            &PAIR,
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
