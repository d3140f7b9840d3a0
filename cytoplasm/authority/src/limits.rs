//! Bounds of the ledger, each with its unit and its reason.

/// The most effects in flight: what a stop has to account for one by one.
pub const IN_FLIGHT_MAX: usize = 1024;

/// How many bytes of the log the intents and proposals of one lease may take: as much as an agent
/// in a run. A few thousand of the largest, some hundred thousand of the usual.
pub const LEASE_LOG_BYTES: u64 = 64 * 1024 * 1024;

/// The most effects in flight under one lease, those cut from it included: no holder takes all
/// the room.
pub const IN_FLIGHT_LEASE_MAX: u64 = 256;

/// The longest that an effect may take, milliseconds: a day. Then its outcome is unknown, and its
/// room is free again.
pub const EFFECT_MS_MAX: u64 = 24 * 3600 * 1000;

/// The most proposals of one lease that wait: as for effects.
pub const PENDING_LEASE_MAX: usize = 64;

/// The most proposals that wait for an approval: a person reads them.
pub const PENDING_MAX: usize = 1024;

/// The longest line of delegation, leases: it is walked at each approval.
pub const DELEGATIONS_MAX: usize = 16;

/// The deepest reason, levels: a stop and a check walk up.
pub const REASONS_DEEP_MAX: usize = 64;

/// The longest action, resource, name or label, bytes: they are read in listings.
pub const TEXT_BYTES_MAX: usize = 256;

/// The most capabilities of a lease, and the most constraints of a capability: they are tried one
/// after the other.
pub const CAPABILITIES_MAX: usize = 64;

/// The longest arguments, bytes as encoded: they are recorded with each effect.
pub const ARGUMENTS_BYTES_MAX: usize = 64 * 1024;

/// The deepest arguments, levels: what reads them again from the log is recursive.
pub const DEPTH_MAX: usize = 16;

/// The largest terms, bytes as encoded: they are recorded, and tried at each use.
pub const TERMS_BYTES_MAX: usize = 64 * 1024;

/// How long a proposal waits for its approval at most, milliseconds: a week.
pub const PROPOSAL_MS: u64 = 7 * 24 * 3600 * 1000;
