//! A web server on loopback with static pages, in place of a registry or a CI system.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// Serves until it is dropped.
pub(crate) struct Pages {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    posts: Arc<Mutex<Vec<Post>>>,
    thread: Option<JoinHandle<()>>,
}

/// The content of a page, and the `Authorization` header that it requires.
pub(crate) struct Page {
    pub(crate) content: Vec<u8>,
    pub(crate) authorization: Option<String>,
}

/// A request with a body.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) path: String,
    /// The header lines.
    pub(crate) head: String,
    pub(crate) body: String,
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
        let posts = Arc::new(Mutex::new(Vec::new()));
        let thread = std::thread::spawn({
            let (is_over, posts) = (Arc::clone(&is_over), Arc::clone(&posts));
            move || {
                while let Ok((connection, _)) = listener.accept() {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    // Fails if the client closed the connection.
                    let _ = respond(&connection, &pages, &posts);
                }
            }
        });
        Self { address, is_over, posts, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Removes and returns the requests with a body.
    pub(crate) fn take_posts(&self) -> Vec<Post> {
        std::mem::take(&mut *self.posts.lock().unwrap())
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

fn respond(
    mut connection: &TcpStream,
    pages: &BTreeMap<String, Page>,
    posts: &Mutex<Vec<Post>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let (mut head, mut authorization, mut length) = (String::new(), None, 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        head.push_str(&line);
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                authorization = Some(value.trim().to_owned());
            }
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap();
            }
            Some(_) => {}
            None => break,
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    if length > 0 {
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8(body).unwrap();
        posts.lock().unwrap().push(Post { path: path.to_owned(), head, body });
    }
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
