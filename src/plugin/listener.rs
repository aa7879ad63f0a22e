//! The socket that the host connects to: a Unix socket in a private directory, or TCP on loopback if Unix sockets
//! are not available (Windows) or the path would be too long.

use std::io;
#[cfg(unix)]
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use super::handshake::HandshakeParams;

/// A connection over a Unix or TCP socket, possibly with TLS.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// A bound socket. Dropping it removes its files.
#[derive(Debug)]
pub(super) enum Listener {
    #[cfg(unix)]
    Unix {
        listener: UnixListener,
        directory: SocketDirectory,
    },
    Tcp {
        listener: TcpListener,
    },
}

impl Listener {
    /// Binds a socket as requested by the host.
    pub(super) async fn bind(params: &HandshakeParams) -> io::Result<Self> {
        #[cfg(unix)]
        match Self::bind_unix(params) {
            // The path exceeds the limit of the system, about 100 bytes, or cannot be part of the handshake
            // line.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            bound => return bound,
        }
        Self::bind_tcp(params).await
    }

    #[cfg(unix)]
    fn bind_unix(params: &HandshakeParams) -> io::Result<Self> {
        let directory = SocketDirectory::create(&params.socket_directory)?;
        let listener = UnixListener::bind(directory.socket())?;
        if let Some(group) = &params.socket_group {
            directory.allow_group(group)?;
        }
        Ok(Self::Unix { listener, directory })
    }

    async fn bind_tcp(params: &HandshakeParams) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::AddrInUse, "the port range is empty");
        for port in params.ports.clone() {
            match TcpListener::bind(("127.0.0.1", port)).await {
                Ok(listener) => return Ok(Self::Tcp { listener }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The network, `unix` or `tcp`, and the address: a path, or host and port.
    pub(super) fn address(&self) -> io::Result<(&'static str, String)> {
        match self {
            #[cfg(unix)]
            Self::Unix { directory, .. } => {
                Ok(("unix", directory.socket().to_string_lossy().into_owned()))
            }
            Self::Tcp { listener } => Ok(("tcp", listener.local_addr()?.to_string())),
        }
    }

    pub(super) async fn accept(&self) -> io::Result<Box<dyn ByteStream>> {
        match self {
            #[cfg(unix)]
            Self::Unix { listener, .. } => Ok(Box::new(listener.accept().await?.0)),
            Self::Tcp { listener } => {
                let (stream, _) = listener.accept().await?;
                // Otherwise each call would wait 40 ms for a delayed acknowledgment.
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// A private directory for the socket, removed on drop.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct SocketDirectory(PathBuf);

#[cfg(unix)]
impl SocketDirectory {
    fn create(parent: &Path) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        // The host may have another working directory.
        let parent = std::path::absolute(parent)?;
        if parent.to_str().is_none_or(|text| text.contains(|c: char| c == '|' || c.is_control())) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut builder = std::fs::DirBuilder::new();
        // Access is restricted by the directory because not every system checks the permissions of sockets.
        builder.mode(0o700);
        loop {
            let path = parent.join(format!("plugin-{:016x}", fastrand::u64(..)));
            match builder.create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let text =
                        format!("could not create a directory in {}: {error}", parent.display());
                    return Err(io::Error::new(error.kind(), text));
                }
            }
        }
    }

    fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }

    /// Allows a group to traverse the directory and connect to the socket.
    fn allow_group(&self, group: &str) -> io::Result<()> {
        use std::fs::{Permissions, set_permissions};
        use std::os::unix::fs::{PermissionsExt as _, chown};
        let group = group_id(group)?;
        for (path, mode) in [(self.socket(), 0o660), (self.0.clone(), 0o710)] {
            chown(&path, None, Some(group))?;
            set_permissions(&path, Permissions::from_mode(mode))?;
        }
        Ok(())
    }
}

#[cfg(unix)]
impl Drop for SocketDirectory {
    fn drop(&mut self) {
        // Failures are ignored: a leftover empty directory does no harm.
        let _ = std::fs::remove_file(self.socket());
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// The ID of a group that is given by number or by its name in `/etc/group`.
#[cfg(unix)]
fn group_id(group: &str) -> io::Result<u32> {
    if let Ok(id) = group.parse() {
        return Ok(id);
    }
    let groups = std::fs::read_to_string("/etc/group")?;
    let find = |line: &str| {
        let mut fields = line.split(':');
        let is_match = fields.next() == Some(group);
        fields.nth(1).filter(|_| is_match).and_then(|id| id.parse().ok())
    };
    groups.lines().find_map(find).ok_or_else(|| {
        let text = format!("PLUGIN_UNIX_SOCKET_GROUP is {group:?}, which is not a group");
        io::Error::new(io::ErrorKind::NotFound, text)
    })
}
