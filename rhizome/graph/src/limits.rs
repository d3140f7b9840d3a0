//! Bounds of the projection, each with its unit and its reason. What a single memory may hold is
//! bounded by `karyon_memory_ops::limits`.

use std::time::Duration;

/// Bytes of blocks that are projected in one transaction, which ends with a sync: what a kill can
/// cost. Large enough that rows are inserted in long sorted runs: a batch of 32 MiB is a quarter
/// faster than one of 8.
pub const BATCH_BYTES: usize = 32 * 1024 * 1024;

/// Bytes of rows that wait to be sorted and inserted: bounds the memory of an import, which is
/// longer than a batch of blocks.
pub const ROWS_BYTES: usize = 64 * 1024 * 1024;

/// Pages that the database keeps in memory, bytes: a node has more to do than to remember.
pub const CACHE_BYTES: usize = 256 * 1024 * 1024;

/// The longest file that is not compacted, bytes: that of an empty one is 1 MiB, of which the disk keeps
/// what was written, and sixteen flushes would be half of what a short run takes.
pub const SMALL_FILE_BYTES: u64 = 2 * 1024 * 1024;

/// Entities that are remembered as known, so that their index rows are not written again.
/// 21 bytes each and the set's own: some 16 MB.
pub const KNOWN_ENTITIES: usize = 256 * 1024;

/// Names that are remembered with their numbers. At most 256 bytes each, usually 10 to 20.
pub const KNOWN_NAMES: usize = 64 * 1024;

/// Versions of an open segment beside its newest, bytes: some thirty small changes. More cost time
/// with each version that is added, since the segment is written anew, and with each that is read
/// back; fewer cost room, since each segment holds one version as a whole. Measured with versions of
/// 220 bytes: 2,048 took 53 bytes a version and 7 µs for one of 1,000, 1,280 took 57 and 5.
pub const SEAL_BYTES: usize = 1280;

/// How hard zstd works on a sealed segment. Below zero it leaves bytes that do not repeat as they
/// are: a segment takes a little more room, and unpacking it, which is most of what reading a past
/// version costs, has less to do.
pub(crate) const ZSTD_LEVEL: i32 = -3;

/// Versions of one segment, bytes, each counted as a whole: what reading all of them at once may
/// take. A hundred changes of the longest version there is.
pub(crate) const UNPACKED_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The longest segment, bytes, before compression: what a damaged row may make the reader reserve.
/// A version takes at most 64 KiB and a segment twice as much beside its newest, or four times until
/// it is cut in two.
pub(crate) const SEGMENT_BYTES_MAX: usize = 1024 * 1024;

/// The same for the neighbours of a hub, of which each takes some 12 bytes.
pub(crate) const LIST_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// How old a view of a graph that is open for writing may become before questions on it are
/// refused, unless [`Graph::set_max_view_age`](crate::Graph::set_max_view_age) says otherwise. A
/// held view keeps the database from using old pages again: at some 50,000 writes a second the
/// file grows by about a gigabyte in this time.
pub const VIEW_AGE_MAX: Duration = Duration::from_secs(60);

/// Vertices that [`khop`](crate::Ask::khop) finds before it stops, unless told otherwise: some
/// 40 MB of answer, and more than anybody reads.
pub const HOP_VERTICES_MAX: usize = 100_000;

/// Edges that [`khop`](crate::Ask::khop) and [`paths`](crate::Ask::paths) look at before they
/// stop, unless told otherwise: a second or two of work and, for paths, some 100 bytes each.
pub const EDGES_LOOKED_AT_MAX: usize = 500_000;

/// Edges in a [path](crate::Ask::paths), unless told otherwise. Six lead from anybody to anybody
/// in most networks of people, and each more multiplies the paths by the edges of a vertex.
pub const PATH_EDGES_MAX: usize = 6;

/// Paths that are told of, unless told otherwise.
pub const PATHS_MAX: usize = 100;
