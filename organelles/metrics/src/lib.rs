//! What a node that runs counts, in the text format that Prometheus reads: `GET /metrics`, from
//! this machine alone.
//!
//! Whoever asks reads what the run keeps anyhow; no agent and no commit ever waits for it. One
//! thread answers all: a client that is slow, silent or many costs a place, and when there is
//! none left the oldest goes.

mod address;
mod conversation;
pub mod limits;
mod server;
mod text;

pub use address::{Loopback, NotLoopback};
pub use server::{Listener, MetricsError, Server};
pub use text::{CONTENT_TYPE, Run, text};
