//! The handshake line.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::{Client, Start, assert_served, names, plaintext, shut_down};

#[tokio::test]
async fn the_handshake_line_contains_the_socket_and_the_certificate() {
    let plugin = Start::by_host_with(&Client::new()).serve().await;
    let fields = plugin.fields();
    assert_eq!(fields.len(), 6, "{fields:?}");
    assert_eq!((fields[0], fields[1], fields[2], fields[4]), ("1", "6", "unix", "grpc"));
    assert!(Path::new(fields[3]).starts_with(plugin.directory.path()), "{fields:?}");
    assert!(fields[5].len() > 50 && !fields[5].contains('='), "{fields:?}");
}

#[tokio::test]
async fn only_the_user_can_connect_to_the_socket() {
    let plugin = Start::by_host().serve().await;
    let socket = PathBuf::from(plugin.fields()[3]);
    let mode = fs::metadata(socket.parent().unwrap()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    // Nor can another user. Tested if this user can switch to another one; otherwise only the mode is checked.
    if fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        fs::set_permissions(plugin.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let is_seen = async |user: u32| {
            let mut command = Command::new("test");
            command.args(["-S".as_ref(), socket.as_os_str()]).uid(user).gid(user);
            command.status().await.unwrap().success()
        };
        assert_eq!((is_seen(0).await, is_seen(65_534).await), (true, false));
    }
}

#[tokio::test]
async fn the_host_can_choose_the_socket_directory_and_group() {
    let wanted = tempfile::tempdir().unwrap();
    let plugin = Start::by_host().with("PLUGIN_UNIX_SOCKET_DIR", wanted.path()).serve().await;
    assert!(Path::new(plugin.fields()[3]).starts_with(wanted.path()), "{}", plugin.line);
    let channel = plaintext(&plugin).await;
    shut_down(&channel).await;
    plugin.end().await.assert_clean();
    assert_eq!(names(wanted.path()), Vec::<OsString>::new());
}

#[tokio::test]
async fn multiplexing_is_reported_only_on_request() {
    let plugin = Start::by_host().with("PLUGIN_MULTIPLEX_GRPC", "true").serve().await;
    assert!(plugin.line.ends_with("|grpc||false\n"), "{}", plugin.line);
}

#[tokio::test]
async fn a_path_that_is_too_long_for_a_socket_means_tcp() {
    let client = Client::new();
    let start = Start::by_host_with(&client);
    let long = start.directory.path().join("long".repeat(30));
    fs::create_dir(&long).unwrap();
    let plugin = start.with("TMPDIR", &long).serve().await;
    let fields = plugin.fields();
    assert_eq!(fields[2], "tcp");
    let port: u16 = fields[3].strip_prefix("127.0.0.1:").unwrap().parse().unwrap();
    assert!((10000..=25000).contains(&port), "{port}");

    let channel = client.connect(&plugin).await;
    assert_served(&channel).await;
    shut_down(&channel).await;
    assert_eq!(names(&long), Vec::<OsString>::new());
    assert_eq!(plugin.end().await.status.code(), Some(0));
}

#[tokio::test]
async fn a_missing_socket_directory_is_named_in_the_error() {
    let (code, stdout, stderr) = Start::by_host().with("TMPDIR", "/no/such/place").run().await;
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains("/no/such/place"), "{stderr}");
}

#[tokio::test]
async fn the_socket_path_is_absolute() {
    let start = Start::by_host();
    fs::create_dir(start.directory.path().join("here")).unwrap();
    let plugin = start.with("TMPDIR", "here").serve().await;
    assert!(plugin.fields()[3].starts_with('/'), "{}", plugin.line);
}

#[tokio::test]
async fn the_socket_directory_cannot_corrupt_the_handshake_line() {
    for name in ["a|b", "a\nb"] {
        let start = Start::by_host();
        let odd = start.directory.path().join(name);
        fs::create_dir(&odd).unwrap();
        let plugin = start.with("TMPDIR", &odd).serve().await;
        assert_eq!(plugin.line.matches('|').count(), 5, "{:?}", plugin.line);
        assert_served(&plaintext(&plugin).await).await;
    }
}
