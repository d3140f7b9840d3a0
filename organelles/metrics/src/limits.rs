//! Bounds of the metrics' port. Each is for one connection unless it says otherwise.

use std::time::Duration;

/// The longest request, bytes: a line and the headers that a scraper sends are below 1 KiB.
pub const REQUEST_BYTES_MAX: usize = 8 * 1024;
/// Headers of a request: scrapers send about five.
pub const HEADERS_MAX: usize = 32;
/// What is still read of a client that was answered, bytes: closed at once, it might lose the
/// answer.
pub const PARTING_BYTES_MAX: usize = 64 * 1024;
/// From the connection to its end, answer included: a local scraper needs milliseconds.
pub const CONVERSATION: Duration = Duration::from_secs(5);
/// Connections at a time, of one node. One more, and the oldest is closed.
pub const CONNECTIONS_MAX: usize = 32;
