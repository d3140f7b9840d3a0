//! Bounds of following a log that is being written, each with its unit and its reason.

use std::time::Duration;

use karyon_supervision::Intensity;

/// Bytes of blocks that are projected in one transaction while a run goes on, and a commit of the log at
/// least: whoever waits for its own write waits for the transaction before it. Some 20,000 records; a run
/// that writes less has shorter ones, of what [`LOOK_EVERY`] brought.
pub const BATCH_BYTES: usize = 1024 * 1024;

/// How often the projector looks whether the log has grown. Whoever waits for a position wakes it.
pub const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How often what is projected is made durable. Nobody needs that, since a file whose process died is
/// never believed; but the pages that wait for it lie in memory, and they would all be written in the end,
/// while the seal waits.
pub const DURABLE_EVERY: Duration = Duration::from_secs(1);

/// Durable records that a run may be ahead of its memory before it waits, those not counted that the
/// log held when its process began: what whoever asks then waits for, and the seal, which is some
/// seconds.
pub const LAG_RECORDS: u64 = 1_000_000;

/// Restarts of the projector that are borne within so many milliseconds: a disk that stumbles, and
/// not one that is broken.
pub const RESTARTS: Intensity = Intensity { restarts: 5, period_ticks: 60_000 };

/// Restarts without one more record that are borne, however long they take: the second begins with
/// an empty file, so that the third says that it is the log that cannot be read.
pub const RESTARTS_IN_PLACE: u64 = 2;
