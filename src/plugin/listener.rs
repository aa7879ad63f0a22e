//! The socket that the host connects to: a Unix socket in a private directory, or TCP on loopback if Unix sockets
//! are not available (Windows) or the path would be too long.
//!
//! Without TLS, everyone who can open the socket can use the credentials of this process. So then it is a Unix socket
//! that only this user can open, or none.

use std::io;
#[cfg(unix)]
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use super::handshake::HandshakeParams;

/// Where a socket is put if its path would be too long elsewhere. Every Unix has this directory, and it is sticky.
#[cfg(unix)]
const SHORT_DIRECTORY: &str = "/tmp";

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
    /// Binds a socket as requested by the host, for a server that authenticates its clients.
    pub(super) async fn bind(params: &HandshakeParams) -> io::Result<Self> {
        #[cfg(unix)]
        match Self::bind_unix(&params.socket_directory, params.socket_group.as_deref()) {
            // The path exceeds the limit of the system, about 100 bytes, or cannot be part of the handshake
            // line.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            bound => return bound,
        }
        Self::bind_tcp(params).await
    }

    /// Binds a socket that only this user can open, for a server without TLS. It is in the directory that the host
    /// requests, or in [`SHORT_DIRECTORY`] if that path is too long or another user could replace what is in it.
    #[cfg(unix)]
    pub(super) fn bind_private(params: &HandshakeParams) -> io::Result<Self> {
        let bind = |parent: &Path| -> io::Result<Self> {
            let bound = Self::bind_unix(parent, None)?;
            if let Self::Unix { directory, .. } = &bound {
                directory.ensure_private()?;
            }
            Ok(bound)
        };
        let error = |reason: String| {
            let text = format!(
                "without TLS, the provider serves only on a Unix socket that no other user can open, and \
                 {reason}; set TMPDIR to the short path of a directory that belongs to you"
            );
            io::Error::new(io::ErrorKind::PermissionDenied, text)
        };
        if params.socket_group.is_some() {
            return Err(error("PLUGIN_UNIX_SOCKET_GROUP would let a group open it".to_owned()));
        }
        let wanted = &params.socket_directory;
        let first = match bind(wanted) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied
                ) =>
            {
                error
            }
            bound => return bound,
        };
        bind(Path::new(SHORT_DIRECTORY)).map_err(|second| {
            error(format!("{}: {first}; {SHORT_DIRECTORY}: {second}", wanted.display()))
        })
    }

    /// Fails: there is only TCP, and everyone on this machine could connect to it.
    #[cfg(not(unix))]
    pub(super) fn bind_private(_: &HandshakeParams) -> io::Result<Self> {
        let text = "without TLS, the provider serves only on a Unix socket that no other user can open, which this \
                    system does not have; run it in the Windows Subsystem for Linux, or attach a debugger to the \
                    process that terraform starts";
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }

    #[cfg(unix)]
    fn bind_unix(parent: &Path, group: Option<&str>) -> io::Result<Self> {
        let directory = SocketDirectory::create(parent)?;
        let listener = UnixListener::bind(directory.socket())?;
        if let Some(group) = group {
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

    /// Checks that no other user can open the socket, or put another directory in the place of this one.
    fn ensure_private(&self) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt as _;
        let reject = |text: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        let own = std::fs::symlink_metadata(&self.0)?;
        if own.mode() & 0o777 != 0o700 {
            return reject("a directory there does not get the mode 0700");
        }
        let parent = std::fs::metadata(self.0.parent().unwrap_or(&self.0))?;
        let (is_shared, is_sticky) = (parent.mode() & 0o022 != 0, parent.mode() & 0o1000 != 0);
        if (is_shared && !is_sticky) || ![0, own.uid()].contains(&parent.uid()) {
            return reject("other users can rename what is in it");
        }
        Ok(())
    }

    /// Clients that are built on gRPC core (Python, Ruby, C++) send the path, percent-encoded, as `:authority`, and
    /// the HTTP library accepts percent signs there only before an `@`.
    fn socket(&self) -> PathBuf {
        self.0.join("socket@oss")
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
        // Failures are ignored: an empty directory that is left over is harmless.
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
