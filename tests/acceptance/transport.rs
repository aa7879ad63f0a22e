//! Clocks, certificates, proxies and endpoints.

use std::time::Duration;

use oss_emulator::{Config, Fault};

use super::tunnel::tunnels_to;
use super::workspace::{KEY_ID, KEY_SECRET, Workspace};

const RESOURCE: &str = "resource \"oss_bucket_encryption\" \"this\" {\n  bucket = \"demo\"\n  sse_algorithm = \"AES256\"\n}\n";
const APPLY: [&str; 3] = ["apply", "-auto-approve", "-no-color"];
const KEYS: [(&str, &str); 2] =
    [("OSS_ACCESS_KEY_ID", KEY_ID), ("OSS_ACCESS_KEY_SECRET", KEY_SECRET)];

#[test]
fn clock_skew_is_corrected() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(RESOURCE);
    workspace.emulator.set_clock_offset(-7 * 86_400);
    workspace.apply();
    assert_eq!(workspace.calls(), ["GET demo 403", "GET demo 404", "PUT demo 200", "GET demo 200"]);
}

#[test]
fn the_error_for_clock_skew_contains_the_difference() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(RESOURCE);
    workspace.emulator.set_clock_offset(7210);
    workspace.emulator.inject(Fault::error_response(403, "RequestTimeTooSkewed").forever());
    let run = workspace.terraform(&APPLY).fails();
    assert!(run.stderr.contains("This machine's clock is 2 h 0 min"), "{run}");
    assert!(run.stderr.contains("s behind OSS"), "{run}");
}

#[test]
fn a_trusted_certificate_is_enough_for_https() {
    let Some(workspace) = Workspace::with(|config: Config| config.with_bucket("demo").with_tls())
    else {
        return;
    };
    workspace.configure(RESOURCE);
    let run = workspace.terraform(&APPLY).fails();
    assert!(run.stderr.contains("TLS connection failed"), "{run}");
    assert!(run.stderr.contains("set SSL_CERT_FILE"), "{run}");

    let path = workspace.write("authority.pem", workspace.emulator.certificate_pem().unwrap());
    let environment = [KEYS[0], KEYS[1], ("SSL_CERT_FILE", path.as_str())];
    workspace.terraform_in(&environment, &APPLY).succeeds();
    assert!(workspace.emulator.rule("demo").is_some());
    assert_eq!(workspace.emulator.connections(), 2, "one was rejected, one served both requests");
}

/// The emulator as a proxy for requests to OSS hosts.
fn behind_a_proxy(arguments: &str) -> Option<(Workspace, String)> {
    let workspace = Workspace::with(|config: Config| config.with_bucket_in("demo", "cn-shanghai"))?;
    let provider = format!("provider \"oss\" {{\n{arguments}}}\n");
    workspace.configure_with(&provider, RESOURCE);
    let url = workspace.emulator.url();
    Some((workspace, url))
}

#[test]
fn the_error_for_a_bucket_in_another_region_contains_the_region() {
    let arguments = "  endpoint = \"http://oss-cn-hangzhou.aliyuncs.com\"\n";
    let Some((workspace, proxy)) = behind_a_proxy(arguments) else { return };
    let environment = [KEYS[0], KEYS[1], ("HTTP_PROXY", proxy.as_str())];
    let run = workspace.terraform_in(&environment, &APPLY).fails();
    for part in [
        "403 AccessDenied",
        "must be accessed at oss-cn-shanghai.aliyuncs.com",
        "the request was sent to http://demo.oss-cn-hangzhou.aliyuncs.com",
        "Set `region = \"cn-shanghai\"` on this resource",
    ] {
        assert!(run.stderr.contains(part), "{part:?} is missing:\n{run}");
    }
}

#[test]
fn a_proxy_gets_only_the_host_of_https_requests() {
    let Some(workspace) = Workspace::with(|config| config.with_bucket("demo").with_tls()) else {
        return;
    };
    let certificate = workspace.write("oss.pem", workspace.emulator.certificate_pem().unwrap());
    // Without `endpoint`: the default endpoint of the region.
    workspace.configure_with("provider \"oss\" {\n  region = \"cn-hangzhou\"\n}\n", RESOURCE);
    for variable in ["HTTPS_PROXY", "https_proxy"] {
        let (proxy, requests) = tunnels_to(workspace.emulator.port());
        let environment =
            [&KEYS[..], &[(variable, proxy.as_str()), ("SSL_CERT_FILE", certificate.as_str())]]
                .concat();
        workspace.terraform_in(&environment, &APPLY).succeeds();
        workspace.terraform_in(&environment, &["destroy", "-auto-approve"]).succeeds();
        let requests = requests.lock().unwrap().clone();
        assert!(!requests.is_empty());
        for request in &requests {
            assert!(
                request.starts_with("CONNECT demo.oss-cn-hangzhou.aliyuncs.com:443 HTTP/1.1"),
                "{request}"
            );
            let names = ["authorization", "x-oss-", "encryption"];
            let request = request.to_lowercase();
            assert!(!names.iter().any(|name| request.contains(name)), "{request}");
        }
    }
    let hosts = workspace.emulator.requests().into_iter().map(|record| record.host);
    assert!(hosts.into_iter().all(|host| host == "demo.oss-cn-hangzhou.aliyuncs.com"));
}

#[test]
fn hosts_in_no_proxy_are_reached_directly() {
    let arguments =
        "  region = \"cn-shanghai\"\n  endpoint = \"http://oss.invalid\"\n  max_retries = 0\n";
    let Some((workspace, proxy)) = behind_a_proxy(arguments) else { return };
    let environment =
        [KEYS[0], KEYS[1], ("HTTP_PROXY", proxy.as_str()), ("NO_PROXY", "oss.invalid")];
    let run = workspace.terraform_in(&environment, &APPLY).fails();
    assert!(run.stderr.contains("connection failed"), "{run}");
    assert!(workspace.emulator.requests().is_empty());
}

#[test]
fn loopback_and_link_local_hosts_are_reached_without_a_proxy() {
    let Some(workspace) =
        Workspace::with(|config: Config| config.with_bucket("demo").with_ecs_role("instance-role"))
    else {
        return;
    };
    let url = workspace.emulator.url();
    let provider = format!(
        "provider \"oss\" {{\n  region = \"cn-hangzhou\"\n  endpoint = {url:?}\n  ecs_role_name = \"instance-role\"\n}}\n"
    );
    workspace.configure_with(&provider, RESOURCE);
    let metadata = workspace.emulator.metadata_url();
    // No process listens on this port.
    let proxies = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"];
    let mut environment = proxies.map(|name| (name, "http://127.0.0.1:1")).to_vec();
    environment.push(("ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT", metadata.as_str()));
    workspace.terraform_in(&environment, &APPLY).succeeds();
    assert!(workspace.emulator.rule("demo").is_some());
}

#[test]
fn errors_of_a_proxy_are_distinguished_from_oss() {
    use std::io::{BufRead as _, BufReader, Write as _};

    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let provider = "provider \"oss\" {\n  endpoint = \"https://oss-cn-hangzhou.aliyuncs.com\"\n  max_retries = 0\n}\n";
    workspace.configure_with(provider, RESOURCE);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://somebody:proxy-secret@{}", listener.local_addr().unwrap());
    // Ends with the test process.
    std::thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let lines = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").unwrap();
        }
    });
    let environment = [KEYS[0], KEYS[1], ("HTTPS_PROXY", proxy.as_str())];
    let run = workspace.terraform_in(&environment, &APPLY).fails();
    for part in [
        "proxy connection failed: proxy authorization required",
        "The proxy is set by HTTPS_PROXY",
        "allows connections to https://demo.oss-cn-hangzhou.aliyuncs.com",
    ] {
        assert!(run.stderr.contains(part), "{part:?} is missing:\n{run}");
    }
    assert_eq!(workspace.secrets_in(&run, &["proxy-secret", "c29tZWJvZHk6"]), Vec::<String>::new());
}

#[test]
fn requests_have_a_user_agent() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(RESOURCE);
    let environment = [KEYS[0], KEYS[1], ("TF_APPEND_USER_AGENT", "pipeline/7 (team storage)")];
    workspace.terraform_in(&environment, &APPLY).succeeds();
    let records = workspace.emulator.requests();
    let user_agent = records[0].user_agent.as_deref().unwrap();
    let expected = concat!("terraform-provider-oss/", env!("CARGO_PKG_VERSION"), " Terraform/1.");
    assert!(user_agent.starts_with(expected), "{user_agent}");
    assert!(user_agent.ends_with(") pipeline/7 (team storage)"), "{user_agent}");
    assert!(user_agent.contains(std::env::consts::OS), "{user_agent}");
}

#[test]
fn every_attempt_is_logged() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(RESOURCE);
    workspace.emulator.inject(Fault::error_response(503, "MetaOperationQpsLimitExceeded"));
    let run = workspace.terraform(&APPLY).succeeds();
    let lines: Vec<&str> = run.log.lines().filter(|line| line.contains("called OSS")).collect();
    assert_eq!(lines.len(), 4, "{run}");
    let records = workspace.emulator.requests();
    for (line, (record, attempt)) in lines.iter().zip(records.iter().zip([1, 2, 1, 1])) {
        for part in [
            "[DEBUG] provider".to_owned(),
            format!("method={}", record.method),
            "bucket=demo".to_owned(),
            format!("status={}", record.status),
            format!("code={}", record.code.as_deref().unwrap_or("\"\"")),
            format!("request_id={}", record.request_id),
            format!("attempt={attempt}"),
            "duration_ms=".to_owned(),
        ] {
            assert!(line.contains(&part), "{part:?} is missing: {line}");
        }
    }
}

#[test]
fn an_attempt_that_times_out_is_logged_too() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(
        r#"
        resource "oss_bucket_encryption" "demo" {
          bucket        = "demo"
          sse_algorithm = "AES256"
          timeouts { create = "300ms" }
        }"#,
    );
    workspace.emulator.inject(Fault::delay(Duration::from_mins(5)).method("GET"));
    let run = workspace.terraform(&APPLY).fails();
    let line = run.log.lines().find(|line| line.contains("called OSS")).unwrap();
    for part in ["method=GET", "status=0", "attempt=1", "error=\"timed out\""] {
        assert!(line.contains(part), "{part:?} is missing: {line}");
    }
}

#[test]
fn a_captive_portal_is_recognized() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(RESOURCE);
    for (status, expected) in [
        (200, "has no x-oss-request-id"),
        (302, "HTTP 302 with a body that is not an OSS error response"),
        (403, "HTTP 403 with a body that is not an OSS error response"),
    ] {
        let page = Fault::raw_response("text/html", "<html>Please log in</html>").status(status);
        workspace.emulator.inject(page.forever());
        let run = workspace.terraform(&APPLY).fails();
        for part in [expected, "from a proxy or captive portal"] {
            assert!(run.stderr.contains(part), "{part:?} is missing:\n{run}");
        }
        workspace.emulator.clear_faults();
    }
}

/// A TLS server with this certificate, which counts the bytes that clients send after the handshake.
struct Impostor {
    address: std::net::SocketAddr,
    received: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl Impostor {
    fn start(certificate: &rcgen::Certificate, key: &rcgen::KeyPair) -> Self {
        use std::io::Read as _;
        use std::sync::Arc;
        use std::sync::atomic::{AtomicUsize, Ordering};
        use tokio_rustls::rustls::pki_types::PrivateKeyDer;
        use tokio_rustls::rustls::{
            ServerConfig, ServerConnection, StreamOwned, crypto::aws_lc_rs,
        };

        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&received);
        // Ends with the test process.
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut request = [0; 1024];
                let read = StreamOwned::new(connection, stream).read(&mut request);
                counted.fetch_add(read.unwrap_or_default(), Ordering::SeqCst);
            }
        });
        Self { address, received }
    }
}

#[test]
fn nothing_is_sent_to_an_untrusted_endpoint() {
    use base64::Engine as _;
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
    };

    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.clone().self_signed(&authority_key).unwrap();
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        base64::prelude::BASE64_STANDARD.encode(root.der()),
    );
    let trusted = workspace.write("trusted.pem", &pem);
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let signed = |names: &[&str], expired: bool| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        if expired {
            parameters.not_before = date_time_ymd(2019, 1, 1);
            parameters.not_after = date_time_ymd(2020, 1, 1);
        }
        parameters.signed_by(&key, &issuer).unwrap()
    };
    let mut own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    own.distinguished_name.push(DnType::CommonName, "another CA");
    for (certificate, expected) in [
        (signed(&["oss.example.com"], false), "not valid for name"),
        (signed(&["127.0.0.1"], true), "expired"),
        (own.self_signed(&key).unwrap(), "UnknownIssuer"),
    ] {
        let impostor = Impostor::start(&certificate, &key);
        let provider = format!(
            "provider \"oss\" {{\n  region = \"cn-hangzhou\"\n  endpoint = \"https://{}\"\n}}\n",
            impostor.address,
        );
        workspace.configure_with(&provider, RESOURCE);
        let environment = [&KEYS[..], &[("SSL_CERT_FILE", trusted.as_str())]].concat();
        let run = workspace.terraform_in(&environment, &APPLY).fails();
        assert!(
            run.stderr.contains("is not trusted, or the endpoint does not support TLS"),
            "{run}"
        );
        assert!(run.stderr.contains(expected), "{expected:?} is missing: {run}");
        let received = impostor.received.load(std::sync::atomic::Ordering::SeqCst);
        assert_eq!(received, 0, "{expected}");
    }
    // A certificate of the trusted CA is accepted, and the request is sent.
    let impostor = Impostor::start(&signed(&["127.0.0.1"], false), &key);
    let provider = format!(
        "provider \"oss\" {{\n  region = \"cn-hangzhou\"\n  endpoint = \"https://{}\"\n  max_retries = 0\n}}\n",
        impostor.address,
    );
    workspace.configure_with(&provider, RESOURCE);
    let environment = [&KEYS[..], &[("SSL_CERT_FILE", trusted.as_str())]].concat();
    workspace.terraform_in(&environment, &APPLY).fails();
    assert!(impostor.received.load(std::sync::atomic::Ordering::SeqCst) > 100);
}
