//! The server over real sockets. The requests are signing vectors as in `service/tests.rs`, with the
//! emulator's clock set to their time.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream as StdTcpStream;

use super::*;
use crate::auth::vectors::Case;

const PUT: &str = "v4-put-encryption-aes256";
const GET: &str = "v4-get-encryption-no-content-headers";

const TIMEOUT: Duration = Duration::from_secs(10);

fn start(config: Config) -> Emulator {
    let case = Case::named(GET);
    let emulator = Emulator::start(config.with_bucket("examplebucket")).unwrap();
    emulator.add_credentials(case.credentials);
    emulator.set_clock_offset((case.now - OffsetDateTime::now_utc()).whole_seconds());
    emulator
}

/// A client connection.
struct Client(BufReader<StdTcpStream>);

impl Client {
    fn new(emulator: &Emulator) -> Self {
        let stream = StdTcpStream::connect(("127.0.0.1", emulator.port())).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        Self(BufReader::new(stream))
    }

    fn send_text(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn send(&mut self, id: &str) {
        let request = Case::named(id).request;
        let names: Vec<&str> = request.query.iter().map(|(name, _)| name.as_str()).collect();
        let target = format!("{}?{}", request.path, names.join("&"));
        let mut text =
            format!("{} {target} HTTP/1.1\r\nhost: {}\r\n", request.method, request.host);
        for (name, value) in &request.headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        let body = String::from_utf8(request.body).unwrap();
        self.send_text(&format!("{text}content-length: {}\r\n\r\n{body}", body.len()));
    }

    /// Reads the head of a response, and returns its `Content-Length` as well.
    fn head(&mut self) -> io::Result<(String, usize)> {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line)?;
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                return Ok((head, length));
            }
            head += &line;
        }
    }

    fn response(&mut self) -> (String, String) {
        let (head, length) = self.head().unwrap();
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        (head, String::from_utf8(body).unwrap())
    }
}

#[test]
fn a_connection_serves_several_requests() {
    let emulator = start(Config::default());
    let mut client = Client::new(&emulator);
    client.send(PUT);
    let (head, body) = client.response();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    for header in ["server: AliyunOSS\r\n", "date: Wed, 28 Dec 2022 10:2", "x-oss-server-time: "] {
        assert!(head.contains(header), "{header} is missing in {head}");
    }
    assert_eq!(body, "");
    let id = head.split("x-oss-request-id: ").nth(1).unwrap().lines().next().unwrap();
    assert_eq!(id.len(), 24);
    assert!(id.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte)), "{id}");
    assert_eq!(emulator.requests()[0].request_id, id);

    client.send(GET);
    assert!(client.response().1.contains("<SSEAlgorithm>AES256</SSEAlgorithm>"));
    assert_eq!(emulator.connections(), 1);
    assert_eq!(emulator.rule("examplebucket"), Some(EncryptionRule::new("AES256")));
}

#[test]
fn buckets_are_listed() {
    let emulator = start(Config::default());
    let mut client = Client::new(&emulator);
    client.send("v4-list-buckets");
    let (head, body) = client.response();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(body.contains("<Buckets><Bucket><Name>examplebucket</Name>"), "{body}");
}

#[test]
fn an_unsigned_request_is_denied() {
    let emulator = start(Config::default());
    let mut client = Client::new(&emulator);
    client.send_text("GET /examplebucket/?encryption HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
    let (head, body) = client.response();
    assert!(head.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{head}");
    assert!(body.contains("<Code>AccessDenied</Code>"), "{body}");
}

#[test]
fn connections_are_reset_before_and_after_the_change() {
    let emulator = start(Config::default());
    for (fault, expected) in
        [(Fault::reset_before(), None), (Fault::reset_after(), Some(EncryptionRule::new("AES256")))]
    {
        emulator.inject(fault);
        let mut client = Client::new(&emulator);
        client.send(PUT);
        let error = client.head().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(emulator.rule("examplebucket"), expected);
    }
    assert_eq!(emulator.requests().len(), 2);
}

#[test]
fn bodies_are_truncated() {
    let emulator = start(Config::default());
    emulator.set_rule("examplebucket", EncryptionRule::new("KMS"));
    for (id, is_empty) in [(GET, false), (PUT, true)] {
        emulator.inject(Fault::truncate_body());
        let mut client = Client::new(&emulator);
        client.send(id);
        let (head, length) = client.head().unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let mut body = String::new();
        client.0.read_to_string(&mut body).unwrap();
        assert!(body.len() < length, "{} of {length}", body.len());
        assert_eq!(body.is_empty(), is_empty);
    }
}

#[test]
fn only_the_response_with_the_fault_is_delayed() {
    let emulator = start(Config::default());
    let (delay, since) = (Duration::from_millis(100), Instant::now());
    emulator.inject(Fault::delay(delay));
    let mut slow = Client::new(&emulator);
    slow.send(PUT);
    // The operation is executed at once.
    while emulator.rule("examplebucket").is_none() {
        assert!(since.elapsed() < TIMEOUT);
        std::thread::yield_now();
    }
    let mut fast = Client::new(&emulator);
    fast.send(GET);
    assert!(fast.response().0.starts_with("HTTP/1.1 200"));
    assert!(slow.response().0.starts_with("HTTP/1.1 200"));
    assert!(since.elapsed() >= delay);
}

#[test]
fn a_large_body_is_rejected() {
    let emulator = start(Config::default());
    let mut client = Client::new(&emulator);
    client.send_text("PUT /examplebucket/?encryption HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    client.send_text("content-length: 1048577\r\n\r\n");
    let (head, body) = client.response();
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    assert!(body.contains("<Code>EntityTooLarge</Code>"), "{body}");
    assert_eq!(emulator.requests()[0].code.as_deref(), Some("EntityTooLarge"));
}

#[test]
fn the_observer_runs_before_the_response_is_sent() {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    let emulator = start(Config::default().with_observer(move |record| {
        sender.lock().unwrap().send(record.to_string()).unwrap();
    }));
    let mut client = Client::new(&emulator);
    client.send(PUT);
    client.response();
    let line = receiver.try_recv().unwrap();
    assert_eq!(line, "PUT    examplebucket  PutBucketEncryption  200  none → AES256");
}

#[tokio::test]
async fn it_starts_and_stops_inside_a_runtime_and_frees_its_port() {
    let emulator = start(Config::default());
    let port = emulator.port();
    let mut open = Client::new(&emulator);
    open.send(GET);
    open.response();
    let taken = Emulator::start(Config { port, ..Config::default() });
    assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    drop(emulator);
    assert_eq!(open.0.read_to_end(&mut Vec::new()).unwrap(), 0, "open connections are closed");
    assert!(StdTcpStream::connect(("127.0.0.1", port)).is_err());
}
