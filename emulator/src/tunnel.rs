//! The proxy at the emulator's own port. Clients send OAuth requests to fixed hosts with TLS; through this proxy, which
//! accepts only these hosts, they reach the emulator without a change to the client.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::login::OAUTH_HOSTS;

/// Maximum length of a request for a tunnel.
const MAX_HEAD: usize = 8192;
const END: &[u8] = b"\r\n\r\n";

const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";
const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Whether a connection begins with a request for a tunnel: no TLS record begins with this byte.
pub(super) fn is_request(first_byte: u8) -> bool {
    first_byte == b'C'
}

/// Responds to a request for a tunnel (RFC 9110, 9.3.6). If it is for a host of OAuth, the connection is then
/// that of the host; otherwise this fails.
pub(super) async fn open<S>(stream: &mut S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut head = Vec::new();
    while !head.ends_with(END) && head.len() < MAX_HEAD {
        // The client sends nothing else before the response, so buffering would be of no use.
        head.push(stream.read_u8().await?);
    }
    let is_allowed = is_for_oauth(&head);
    let response = if is_allowed { ESTABLISHED } else { FORBIDDEN };
    stream.write_all(response.as_bytes()).await?;
    if is_allowed { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

fn is_for_oauth(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head);
    let authority = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let host = authority.and_then(|authority| authority.strip_suffix(":443"));
    host.is_some_and(|host| OAUTH_HOSTS.contains(&host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hosts_of_oauth_have_tunnels() {
        for (line, expected) in [
            ("CONNECT oauth.aliyun.com:443 HTTP/1.1", true),
            ("CONNECT oauth.alibabacloud.com:443 HTTP/1.1", true),
            ("CONNECT oauth.aliyun.com:80 HTTP/1.1", false),
            ("CONNECT oauth.aliyun.com HTTP/1.1", false),
            ("CONNECT registry.terraform.io:443 HTTP/1.1", false),
            ("CONNECT 127.0.0.1:443 HTTP/1.1", false),
            ("CONNECT ", false),
            ("COPY /demo/ HTTP/1.1", false),
        ] {
            assert_eq!(is_for_oauth(format!("{line}\r\n\r\n").as_bytes()), expected, "{line}");
        }
    }
}
