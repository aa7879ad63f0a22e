//! A proxy through which requests to the hosts of OSS reach the emulator.

use std::io::{BufRead as _, BufReader, Write as _, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A proxy that connects all tunnels to one port of this machine. Returns its URL and the requests that
/// it receives.
pub(crate) fn tunnels_to(port: u16) -> (String, Arc<Mutex<Vec<String>>>) {
    tunnels_except("", port)
}

/// The same for a proxy that cannot resolve one host, of which it says what squid says.
pub(crate) fn tunnels_except(
    unknown: &'static str,
    port: u16,
) -> (String, Arc<Mutex<Vec<String>>>) {
    fn pump(mut from: TcpStream, mut to: TcpStream) {
        let _ = copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    }

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let remembered = Arc::clone(&asked);
    // Ends with the test process.
    thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let mut lines =
                BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
            let request: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
            let request = request.join(" ");
            let is_unknown = !unknown.is_empty() && request.contains(unknown);
            remembered.lock().unwrap().push(request);
            if is_unknown {
                (&client).write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap();
                continue;
            }
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            (&client).write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let (back, forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || pump(client, server));
            thread::spawn(move || pump(back, forth));
        }
    });
    (url, asked)
}
