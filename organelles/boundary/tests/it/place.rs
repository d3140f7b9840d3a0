//! Where the socket lies, who may reach it, and what becomes of it.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use karyon_boundary::{About, Client, ClientError, Server, SocketError};
use karyon_runtime::DataDir;
use karyon_runtime::processes::Desk;
use karyon_types::LogId;

use crate::support::{Node, PATIENCE, about, answer, guard};

fn open(data: &Path) -> Result<Server, SocketError> {
    let dir = DataDir::under(guard(), data).unwrap();
    Server::open(&dir, about(), Arc::new(Desk::default()))
}

#[test]
fn it_is_its_owners_alone_and_goes_with_the_node() {
    let mut node = Node::new();
    let socket = node.data().join("node.sock");
    let found = fs::symlink_metadata(&socket).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::read_dir(node.data()).unwrap().count(), 1, "something else was left there");
    node.stop();
    assert!(!socket.exists());
    let error = Client::connect(node.data(), "test", PATIENCE).err().unwrap();
    assert!(matches!(error, ClientError::NoNode(_)), "{error}");
}

#[test]
fn without_a_live_guardian_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let unguarded = DataDir::create(folder.path()).unwrap();
    let refused = Server::open(&unguarded, about(), Arc::new(Desk::default())).err().unwrap();
    assert!(matches!(refused, SocketError::NoGuardian), "{refused}");
    assert!(!folder.path().join("node.sock").exists());
}

#[test]
fn one_that_was_left_behind_is_replaced_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let (data, socket) = (folder.path(), folder.path().join("node.sock"));
    // As after kill -9: nobody listens.
    drop(UnixListener::bind(&socket).unwrap());
    let error = Client::connect(data, "test", PATIENCE).err().unwrap();
    assert!(matches!(error, ClientError::NoNode(_)), "{error}");
    open(data).unwrap().stop();
    assert!(!socket.exists());
    fs::write(&socket, "mine").unwrap();
    assert!(matches!(open(data).err().unwrap(), SocketError::NotASocket(_)));
    assert_eq!(fs::read(&socket).unwrap(), b"mine");
    fs::remove_file(&socket).unwrap();
    std::os::unix::fs::symlink("elsewhere", &socket).unwrap();
    assert!(matches!(open(data).err().unwrap(), SocketError::NotASocket(_)));
    assert!(!data.join("elsewhere").exists());
}

#[test]
fn one_of_somebody_who_came_later_stays() {
    let mut node = Node::new();
    let socket = node.data().join("node.sock");
    fs::remove_file(&socket).unwrap();
    let _other = UnixListener::bind(&socket).unwrap();
    node.stop();
    assert!(socket.exists());
}

#[test]
fn a_path_of_any_length_does() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("a".repeat(200)).join("b".repeat(200));
    fs::create_dir_all(&data).unwrap();
    let dir = DataDir::under(guard(), &data).unwrap();
    let desk = Arc::new(Desk::default());
    let server = Server::open(&dir, about(), desk).unwrap();
    assert!(data.join("node.sock").exists());
    assert_eq!(Client::connect(&data, "test", PATIENCE).unwrap().hello().boot, 1);
    server.stop();
    assert!(!data.join("node.sock").exists());
}

#[test]
fn two_nodes_answer_each_for_itself() {
    let other = About { log: LogId([1; 16]), boot: 7, ..about() };
    let nodes = [Node::new(), Node::with(other, answer)];
    let hellos = nodes.each_ref().map(|node| node.client().hello().clone());
    assert_eq!(hellos.each_ref().map(|hello| hello.boot), [1, 7]);
    assert_ne!(hellos[0].log, hellos[1].log);
}
