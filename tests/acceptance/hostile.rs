//! Hostile services and environments, through the real terraform at log level trace.

use std::io::{BufRead as _, BufReader, Read as _, Write as _, copy};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use super::host::{Feature, has};
use super::workspace::{KEY_ID, KEY_SECRET, KEYS, Workspace};

const APPLY: [&str; 3] = ["apply", "-auto-approve", "-no-color"];
const RESOURCE: &str = "resource \"oss_bucket_encryption\" \"this\" {\n  bucket = \"demo\"\n  sse_algorithm = \"KMS\"\n}\n";

/// A server with the same response for any request. Returns its port and the beginnings of the requests.
fn respond_with(response: Vec<u8>) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (requests, received) = channel();
    // Ends with the test process.
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = [0; 8192];
            let length = stream.read(&mut request).unwrap_or_default();
            let _ = requests.send(String::from_utf8_lossy(&request[..length]).into_owned());
            let _ = stream.write_all(&response);
        }
    });
    (port, received)
}

#[test]
fn texts_of_a_service_neither_show_credentials_nor_reach_the_terminal_raw() {
    const SESSION_ID: &str = "STS.NUtestTESTtestTEST0001";
    const TOKEN: &str = "CAISrwN1q6Ft5B2yfSjIr5/QJ9nsuKhL9L+fcnTFgVIDQa8V3aXZ1Tz2IHFKf3lvsnAW==";
    let Some(workspace) = Workspace::new(&[]) else { return };
    let encoded = TOKEN.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D");
    let text =
        format!("&#x1b;[2J&#7;{SESSION_ID} {KEY_SECRET} {TOKEN} {encoded} {}", "y".repeat(900_000));
    let elements = ["Code", "Message", "RequestId", "EC", "RecommendDoc", "Endpoint"]
        .map(|name| format!("<{name}>{text}</{name}>"))
        .concat();
    let echoes = [
        format!("<Error>{elements}</Error>"),
        format!("<Error><Code>AccessDenied</Code><Message>{text}</Message></Error>"),
    ];
    for (status, body) in [
        ("403 Forbidden", echoes[0].clone()),
        ("403 Forbidden", echoes[1][..600_000].to_owned()),
        ("404 Not Found", format!("\u{1b}[2J\u{7}{SESSION_ID} {KEY_SECRET} {TOKEN} {encoded}")),
        ("200 OK", format!("<{KEY_SECRET}/>")),
    ] {
        let body = if body.len() > 1_000_000 {
            body.replace(&"y".repeat(900_000), &"y".repeat(100_000))
        } else {
            body
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nx-oss-request-id: {SESSION_ID}\r\nx-oss-ec: {TOKEN}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let (port, received) = respond_with([head.as_bytes(), body.as_bytes()].concat());
        let provider = format!(
            "provider \"oss\" {{\n  region = \"cn-hangzhou\"\n  endpoint = \"http://127.0.0.1:{port}\"\n  max_retries = 0\n}}\n"
        );
        workspace.configure_with(&provider, RESOURCE);
        let environment =
            [(KEYS[0].0, SESSION_ID), KEYS[1], ("ALIBABA_CLOUD_SECURITY_TOKEN", TOKEN)];
        let run = workspace.terraform_in(&environment, &APPLY);
        assert!(run.code == Some(1) || run.stdout.contains("Warning: "), "{run}");
        assert!(
            received.try_recv().unwrap().contains(SESSION_ID),
            "the server could repeat the key"
        );
        let secrets = [SESSION_ID, KEY_SECRET, TOKEN, encoded.as_str()];
        assert_eq!(workspace.secrets_in(&run, &secrets), Vec::<String>::new(), "{run}");
        for text in [&run.stdout, &run.stderr, &run.log] {
            assert!(!text.contains(['\u{1b}', '\u{7}']), "{run}");
            assert!(!text.contains(&"y".repeat(2000)), "{run}");
        }
        assert!(run.stderr.len() < 20_000, "{run}");
    }
}

#[test]
fn a_proxy_variable_that_cannot_be_used_does_not_mean_a_direct_connection() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let direct = "provider \"oss\" {\n  region = \"cn-hangzhou\"\n  endpoint = \"http://oss.example.com\"\n}\n";
    workspace.configure_with(direct, RESOURCE);
    for (variable, value) in [
        ("HTTP_PROXY", "http//user:the-password@proxy:3128"),
        ("http_proxy", "socks5://user:the-password@127.0.0.1:1080"),
        ("ALL_PROXY", "proxy:not-a-port:the-password"),
    ] {
        let run = workspace.terraform_in(&[KEYS[0], KEYS[1], (variable, value)], &APPLY).fails();
        let expected = format!("no request was sent, because the environment variable {variable} ");
        assert!(run.stderr.contains(&expected), "{run}");
        assert_eq!(workspace.secrets_in(&run, &["the-password"]), Vec::<String>::new(), "{run}");
    }
    // This machine is reached directly in any case.
    workspace.configure(RESOURCE);
    workspace.terraform_in(&[KEYS[0], KEYS[1], ("HTTP_PROXY", "http://:")], &APPLY).succeeds();
}

#[test]
fn this_machine_is_reached_without_a_proxy_in_every_spelling() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let (proxy, requests) =
        respond_with(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n".to_vec());
    let proxy = format!("http://127.0.0.1:{proxy}");
    for (host, style) in [
        ("[::ffff:127.0.0.1]", "auto"),
        ("localhost.", "path"),
        // Requests are sent to demo.localhost, which need not have a name server.
        ("localhost", "virtual"),
        ("localhost.", "virtual"),
        ("127.1", "auto"),
    ] {
        let port = workspace.emulator.port();
        let provider = format!(
            "provider \"oss\" {{\n  region = \"cn-hangzhou\"\n  endpoint = \"http://{host}:{port}\"\n  address_style = {style:?}\n  max_retries = 0\n}}\n"
        );
        workspace.configure_with(&provider, RESOURCE);
        workspace.emulator.remove_rule("demo");
        let environment = [KEYS[0], KEYS[1], ("HTTP_PROXY", &proxy), ("ALL_PROXY", &proxy)];
        let run = workspace.terraform_in(&environment, &APPLY).succeeds();
        assert!(!run.stdout.contains("Unencrypted"), "{run}");
        assert!(workspace.emulator.rule("demo").is_some(), "{host} {style}");
    }
    assert_eq!(requests.try_iter().collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn an_endpoint_that_begins_with_slashes_is_rejected_by_validate() {
    let Some(workspace) = Workspace::new(&[]) else { return };
    workspace
        .configure_with("provider \"oss\" {\n  endpoint = \"//oss.example.com\"\n}\n", RESOURCE);
    let run = workspace.terraform(&["validate", "-no-color"]).fails();
    assert!(run.stderr.contains("`endpoint` must not begin with slashes"), "{run}");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_an_error_and_no_other_credentials_are_used() {
    use std::os::unix::ffi::OsStrExt as _;
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(RESOURCE);
    let environment = [("OSS_ACCESS_KEY_ID", KEY_ID), ("OSS_ACCESS_KEY_SECRET", KEY_SECRET)];
    let mut command = workspace.command(&environment, &APPLY);
    command.env("ALIBABA_CLOUD_ACCESS_KEY_ID", std::ffi::OsStr::from_bytes(b"LTAI\xff"));
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("ALIBABA_CLOUD_ACCESS_KEY_ID"), "{stderr}");
    assert_eq!(workspace.calls(), Vec::<String>::new());
}

/// A proxy that forwards all requests for plain HTTP, which have no body, to one port of this machine. Returns its
/// URL.
fn forwards_to(port: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // Ends with the test process.
    std::thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let lines = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            // Such as `GET http://keys.example.com/path HTTP/1.1`.
            let (method, rest) = head[0].split_once(" http://").unwrap();
            let path = &rest[rest.find('/').unwrap()..];
            let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            write!(
                server,
                "{method} {path}\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
            )
            .unwrap();
            let _ = copy(&mut server, &mut client);
        }
    });
    url
}

/// Credentials that the emulator returns behind a proxy, as another machine would.
#[test]
fn credentials_without_tls_are_a_warning_wherever_they_are_configured() {
    let Some(workspace) = Workspace::with(|config| {
        config.with_bucket("demo").with_credentials_uri().with_ecs_role("instance-role")
    }) else {
        return;
    };
    let emulator = workspace.emulator.url();
    let path = workspace.emulator.credentials_uri().replace(&emulator, "");
    let uri = format!("http://keys.example.com{path}");
    workspace.write(
        "config.json",
        &format!(
            r#"{{"current":"uri","profiles":[{{"name":"uri","mode":"CredentialsURI","credentials_uri":"{uri}"}},
            {{"name":"ecs","mode":"EcsRamRole","ram_role_name":"instance-role"}}]}}"#
        ),
    );
    let forwarding = forwards_to(workspace.emulator.port());
    let proxy = ("HTTP_PROXY", forwarding.as_str());
    let metadata =
        ("ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT", workspace.emulator.metadata_url());
    let far = metadata.1.replace("127.0.0.1", "oss-metadata.example.com");
    let profile =
        |name: &str| format!("  shared_credentials_file = \"config.json\"\n  profile = {name:?}\n");
    for (what, arguments, environment, expected) in [
        ("block", format!("  credentials_uri = {uri:?}\n"), vec![proxy], true),
        (
            "variable",
            String::new(),
            vec![proxy, ("ALIBABA_CLOUD_CREDENTIALS_URI", uri.as_str())],
            true,
        ),
        ("profile", profile("uri"), vec![proxy], true),
        ("near", profile("ecs"), vec![(metadata.0, metadata.1.as_str())], false),
    ] {
        let url = &emulator;
        let provider = format!(
            "provider \"oss\" {{\n  region = \"cn-hangzhou\"\n  endpoint = {url:?}\n{arguments}}}\n"
        );
        workspace.configure_with(&provider, RESOURCE);
        workspace.emulator.remove_rule("demo");
        let run = workspace.terraform_in(&environment, &APPLY).succeeds();
        let words: Vec<&str> = run.stdout.split_whitespace().collect();
        let warned = words.join(" ").contains("are sent without TLS");
        assert_eq!(warned, expected, "{what}: {run}");
        assert_eq!(run.stdout.contains("keys.example.com"), expected, "{what}: {run}");
    }
    // The host of a query reads no event after the last result.
    if has(Feature::Queries, "the warning of a query with a limit") {
        let arguments = profile("uri");
        let provider = format!(
            "provider \"oss\" {{\n  region = \"cn-hangzhou\"\n  endpoint = {emulator:?}\n{arguments}}}\n"
        );
        workspace.configure_with(&provider, "");
        let list = "list \"oss_bucket_encryption\" \"all\" {\n  provider = oss\n  limit = 1\n}\n";
        workspace.write("all.tfquery.hcl", list);
        let run = workspace.terraform_in(&[proxy], &["query", "-no-color"]).succeeds();
        let words: Vec<&str> = run.stdout.split_whitespace().collect();
        assert!(words.join(" ").contains("are sent without TLS"), "{run}");
    }
    // Requests to the metadata service never go through a proxy, so there is nothing at this address.
    let provider = format!(
        "provider \"oss\" {{\n  region = \"cn-hangzhou\"\n  endpoint = {emulator:?}\n  max_retries = 0\n  ecs_role_name = \"instance-role\"\n}}\n"
    );
    for provider in [
        provider.clone(),
        provider.replace("  ecs_role_name = \"instance-role\"\n", &profile("ecs")),
    ] {
        workspace.configure_with(&provider, RESOURCE);
        let run = workspace.terraform_in(&[(metadata.0, far.as_str())], &APPLY).fails();
        let text = format!("{} {}", run.stdout, run.stderr);
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(words.join(" ").contains("are sent without TLS"), "{run}");
    }
}
