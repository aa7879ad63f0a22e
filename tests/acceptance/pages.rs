//! A web server on loopback with static pages, in place of a registry or a CI system.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Serves until it is dropped.
pub(crate) struct Pages {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The content of a page, and the `Authorization` header that it requires.
pub(crate) struct Page {
    pub(crate) content: Vec<u8>,
    pub(crate) authorization: Option<String>,
}

impl<T: Into<Vec<u8>>> From<T> for Page {
    fn from(content: T) -> Self {
        Self { content: content.into(), authorization: None }
    }
}

impl Pages {
    /// Binds first, so that the pages can contain the URL that `pages` is called with.
    pub(crate) fn start(pages: impl FnOnce(&str) -> BTreeMap<String, Page>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let pages = pages(&format!("http://{address}"));
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let is_over = Arc::clone(&is_over);
            move || {
                while let Ok((connection, _)) = listener.accept() {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    // Fails if the client closed the connection.
                    let _ = respond(&connection, &pages);
                }
            }
        });
        Self { address, is_over, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn respond(mut connection: &TcpStream, pages: &BTreeMap<String, Page>) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let mut authorization = None;
    for line in lines {
        let line = line?;
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                authorization = Some(value.trim().to_owned());
            }
            Some(_) => {}
            None => break,
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, content) = match pages.get(path) {
        None => ("404 Not Found", path.as_bytes()),
        Some(page) if page.authorization.is_some() && page.authorization != authorization => {
            ("401 Unauthorized", path.as_bytes())
        }
        Some(page) => ("200 OK", page.content.as_slice()),
    };
    write!(
        connection,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        content.len(),
    )?;
    connection.write_all(content)
}
