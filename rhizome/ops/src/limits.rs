//! Bounds of a single memory, each with its unit and its reason.

/// The longest encoded write, bytes: a memory is a sentence, not a file; far below the longest
/// record of the log, so that a step can hold several.
pub const WRITE_BYTES_MAX: usize = 64 * 1024;

/// The longest name of a vertex, a label, a type, a predicate or a property, bytes: as long as a
/// person's name in the input of a colony.
pub const NAME_BYTES_MAX: usize = 256;

/// How deep lists and maps may be nested: bounds the stack of whoever reads them.
pub const DEPTH_MAX: usize = 8;

/// The most memories of one answer to an agent: what a step can look through, and a bound on what it
/// costs to answer.
pub const ANSWER_MEMORIES_MAX: usize = 64;

/// The longest encoded memories of one answer, bytes: the longest write fits.
pub const ANSWER_BYTES_MAX: usize = 96 * 1024;
