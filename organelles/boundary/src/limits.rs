//! Bounds of the boundary. Each is for one connection unless it says otherwise.

use std::time::Duration;

/// The longest line that is heard, bytes: a request holds a name and some numbers.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// The longest answer, bytes: a list is cut before it is longer, and says where it goes on.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Connections at a time, of one node. Each has a thread, and waits for one answer at most.
pub const CONNECTIONS_MAX: usize = 64;
/// Connections that wait to be accepted, of one node; more wait in the caller.
pub const BACKLOG: i32 = 128;
/// The longest name that a client gives itself, bytes.
pub const CLIENT_BYTES_MAX: usize = 256;
/// How much of an agent's name is shown, bytes: so much of a thousand of them fits in an answer.
pub const NAME_BYTES_MAX: usize = 512;
/// How deep a state is shown: deeper is cut.
pub const STATE_DEPTH_MAX: usize = 32;
/// How much of a state is shown, bytes of text about: a quarter of an answer.
pub const STATE_TEXT_BYTES_MAX: usize = 256 * 1024;

/// From the connection to `initialize`: nobody holds a place without a word.
pub const GREETING: Duration = Duration::from_secs(5);
/// Between two requests: longer than any `--watch` waits.
pub const IDLE: Duration = Duration::from_secs(60);
/// From a line's first byte to its last: a client writes it at once.
pub const LINE: Duration = Duration::from_secs(5);
/// For the client to take an answer.
pub const TAKING: Duration = Duration::from_secs(5);
