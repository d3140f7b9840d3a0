//! Identities and places in time, each a type of its own so that they cannot be mixed up.

use std::fmt;

/// Declares a serial: a `u64` that a log gives out once, counted from 1.
macro_rules! serial {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

serial!(
    /// An agent. In tick mode the scenario gives the serial, so it is the same in every run.
    AgentId, "agent "
);
serial!(
    /// A lease: one agent's authority, with rights, scope and expiry.
    LeaseId, "lease "
);
serial!(
    /// A grant: what a principal signed, from which leases are cut.
    GrantId, "grant "
);
serial!(
    /// A principal: the person who answers for what is done in their name.
    PrincipalId, "principal "
);
serial!(
    /// A reason: why something is done, with a label and perhaps a parent.
    ReasonId, "reason "
);
serial!(
    /// A proposal: an action that waits for an approval.
    ProposalId, "proposal "
);
serial!(
    /// An effect: an action on the world outside that was admitted.
    EffectId, "effect "
);
serial!(
    /// The position of a record in commit order, counted from 0. Computed, never stored inside
    /// a record.
    Position, "#"
);
serial!(
    /// A logical step of time in tick mode, counted from 0. Not a timestamp.
    Tick, "tick "
);

/// The identity of a log: 16 random bytes drawn when the log is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub [u8; 16]);

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
