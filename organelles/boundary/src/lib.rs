//! The boundary: what somebody outside may ask of a node while it runs.
//!
//! JSON-RPC 2.0, one object a line, over the Unix socket `node.sock` of the data directory. The
//! socket is there only while a node runs under a live guardian, with mode 0600; who speaks is
//! known by the kernel's word, and only root and the node's own user are heard. That names a user
//! and no principal: nothing here grants, approves or ends safe mode. Every line, answer, wait and
//! number of connections has a bound ([`limits`]); `docs/boundary.md` has the protocol.

mod answer;
mod branches;
mod client;
pub mod limits;
mod protocol;
mod server;
mod socket;
mod state;
mod wire;

pub use branches::{Above, Branch, Child, Tree, TreeOf};
pub use client::{Client, ClientError};
pub use protocol::{
    At, Cause, Done, Failure, FailureData, Grounds, Hello, Initialize, Inspected, Lease, List,
    Listed, PROTOCOL, Process, Scope, Sort, State, Status, Target,
};
pub use server::{About, Server};
pub use socket::{SOCKET, SocketError};
