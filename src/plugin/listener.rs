//! The socket that the host connects to: a Unix socket in a private directory, or TCP on loopback
//! where there are none (Windows) or the path would be too long.

use std::io;
#[cfg(unix)]
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use super::handshake::HandshakeParams;

/// A byte stream of either kind.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// A bound socket. Dropping it removes what it left in the file system.
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
    /// Binds as the host asks.
    pub(super) async fn bind(session: &HandshakeParams) -> io::Result<Self> {
        #[cfg(unix)]
        match Self::bind_unix(session) {
            // Such is the error for a path beyond the limit of the system, about 100 bytes, or
            // one that cannot be part of the line to the host.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            bound => return bound,
        }
        Self::bind_tcp(session).await
    }

    #[cfg(unix)]
    fn bind_unix(session: &HandshakeParams) -> io::Result<Self> {
        let directory = SocketDirectory::create(&session.socket_directory)?;
        let listener = UnixListener::bind(directory.socket())?;
        if let Some(group) = &session.socket_group {
            directory.allow_group(group)?;
        }
        Ok(Self::Unix { listener, directory })
    }

    async fn bind_tcp(session: &HandshakeParams) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::AddrInUse, "the port range is empty");
        for port in session.ports.clone() {
            match TcpListener::bind(("127.0.0.1", port)).await {
                Ok(listener) => return Ok(Self::Tcp { listener }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// `unix` or `tcp`, and where: a path, or host and port.
    pub(super) fn address(&self) -> io::Result<(&'static str, String)> {
        match self {
            #[cfg(unix)]
            Self::Unix { directory, .. } => {
                Ok(("unix", directory.socket().to_string_lossy().into_owned()))
            }
            Self::Tcp { listener } => Ok(("tcp", listener.local_addr()?.to_string())),
        }
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<Box<dyn ByteStream>> {
        match self {
            #[cfg(unix)]
            Self::Unix { listener, .. } => Ok(Box::new(listener.accept().await?.0)),
            Self::Tcp { listener } => {
                let (stream, _) = listener.accept().await?;
                // Without it every exchange waits 40 ms for a delayed acknowledgement.
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// A directory of our own with the socket in it, removed on drop.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct SocketDirectory(PathBuf);

#[cfg(unix)]
impl SocketDirectory {
    fn create(parent: &Path) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        // The host may look from another directory than ours.
        let parent = std::path::absolute(parent)?;
        if parent.to_str().is_none_or(|text| text.contains(|c: char| c == '|' || c.is_control())) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut builder = std::fs::DirBuilder::new();
        // Only this user: file permissions of sockets are not checked on every system.
        builder.mode(0o700);
        loop {
            let path = parent.join(format!("plugin-{:016x}", fastrand::u64(..)));
            match builder.create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let text = format!("no directory can be made in {}: {error}", parent.display());
                    return Err(io::Error::new(error.kind(), text));
                }
            }
        }
    }

    fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }

    /// Lets a group connect: it may pass the directory and write to the socket.
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
        // Nothing can be done about a failure, and nobody is harmed by an empty directory.
        let _ = std::fs::remove_file(self.socket());
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// A group by number, or by name in `/etc/group`.
#[cfg(unix)]
fn group_id(group: &str) -> io::Result<u32> {
    if let Ok(id) = group.parse() {
        return Ok(id);
    }
    let groups = std::fs::read_to_string("/etc/group")?;
    let find = |line: &str| {
        let mut fields = line.split(':');
        let is_it = fields.next() == Some(group);
        fields.nth(1).filter(|_| is_it).and_then(|id| id.parse().ok())
    };
    groups.lines().find_map(find).ok_or_else(|| {
        let text = format!("PLUGIN_UNIX_SOCKET_GROUP names {group:?}, which is not a group");
        io::Error::new(io::ErrorKind::NotFound, text)
    })
}
