//! What records say of authority: leases, and changes to what holds.

use karyon_types::{AgentId, GrantId, LeaseId, PrincipalId, ReasonId, Tick, varint};

/// Stands for "no end" where something follows an expiry.
const NO_END: u64 = u64::MAX;

/// A lease that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Its serial.
    pub id: LeaseId,
    /// Its only holder.
    pub owner: AgentId,
    /// The grant that it was cut from.
    pub grant: GrantId,
    /// Its rights, as bits.
    pub rights: u32,
    /// The first and the last resource of its scope.
    pub scope: (u64, u64),
    /// The first tick at which it no longer holds.
    pub expires: Option<Tick>,
    /// How many bytes of the log its holder's outputs may take; `None`: no bound.
    pub log_bytes: Option<u64>,
}

/// What happens to somebody's authority in the course of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verb {
    /// It does not hold for a while.
    Suspend = 1,
    /// It holds again.
    Resume = 2,
    /// It holds never again.
    Revoke = 3,
}

/// What a user of the machine can order about one agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OrderVerb {
    /// From this tick on its messages wait.
    Pause = 1,
    /// They wait no more.
    Resume = 2,
    /// It ends at once, whatever it is doing; its supervisor decides what follows.
    Kill = 3,
    /// It ends at once and is started again, whatever its supervisor would decide.
    Restart = 4,
}

/// What a supervisor did with an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Measure {
    /// It was started, as it was in the beginning.
    Started = 1,
    /// It traps exits, and was asked to end.
    Asked = 2,
    /// It was told to end, and did.
    Ended = 3,
    /// It was ended without being asked.
    Killed = 4,
    /// It could not be started.
    NotStarted = 5,
    /// It goes on from its last good state.
    Continued = 6,
}

impl Measure {
    /// The measure with this number.
    pub fn from_number(number: u8) -> Option<Measure> {
        use Measure::{Asked, Continued, Ended, Killed, NotStarted, Started};
        let all = [Started, Asked, Ended, Killed, NotStarted, Continued];
        all.into_iter().find(|measure| *measure as u8 == number)
    }
}

/// Whose authority an order is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// All leases of this agent.
    Agent(AgentId),
    /// Whatever is done for this reason, or for one below it.
    Reason(ReasonId),
    /// All leases that were cut from this grant.
    Grant(GrantId),
    /// All that this principal answers for.
    Principal(PrincipalId),
    /// This lease, and those cut from it.
    Lease(LeaseId),
}

impl LeaseRecord {
    pub(super) fn write(&self, body: &mut Vec<u8>) {
        varint::write(body, self.id.0);
        varint::write(body, self.owner.0);
        varint::write(body, self.grant.0);
        varint::write(body, u64::from(self.rights));
        varint::write(body, self.scope.0);
        varint::write(body, self.scope.1);
        match (self.expires, self.log_bytes) {
            (None, None) => {}
            (Some(tick), None) => varint::write(body, tick.0),
            (expires, Some(bytes)) => {
                varint::write(body, expires.map_or(NO_END, |tick| tick.0));
                varint::write(body, bytes);
            }
        }
    }

    pub(super) fn read(b: &mut &[u8]) -> Option<LeaseRecord> {
        let lease = LeaseRecord {
            id: LeaseId(varint::read(b)?),
            owner: AgentId(varint::read(b)?),
            grant: GrantId(varint::read(b)?),
            rights: varint::read(b)?.try_into().ok()?,
            scope: (varint::read(b)?, varint::read(b)?),
            expires: if b.is_empty() { None } else { Some(Tick(varint::read(b)?)) },
            log_bytes: if b.is_empty() { None } else { Some(varint::read(b)?) },
        };
        lease.one_form()
    }

    /// "No end" is written only in front of something else, and nobody says it otherwise.
    fn one_form(self) -> Option<LeaseRecord> {
        match (self.expires, self.log_bytes) {
            (Some(Tick(NO_END)), None) => None,
            (Some(Tick(NO_END)), Some(_)) => Some(LeaseRecord { expires: None, ..self }),
            _ => Some(self),
        }
    }
}

impl Verb {
    /// The verb with this number.
    pub fn from_number(number: u8) -> Option<Verb> {
        [Verb::Suspend, Verb::Resume, Verb::Revoke].into_iter().find(|v| *v as u8 == number)
    }
}

impl OrderVerb {
    /// The verb with this number.
    pub fn from_number(number: u8) -> Option<OrderVerb> {
        use OrderVerb::{Kill, Pause, Restart, Resume};
        [Pause, Resume, Kill, Restart].into_iter().find(|verb| *verb as u8 == number)
    }
}

impl Target {
    /// Its kind's number and its serial: as in records and in what principals sign.
    pub fn parts(self) -> (u8, u64) {
        match self {
            Target::Agent(id) => (1, id.0),
            Target::Reason(id) => (2, id.0),
            Target::Grant(id) => (3, id.0),
            Target::Principal(id) => (4, id.0),
            Target::Lease(id) => (5, id.0),
        }
    }

    /// The target with these parts.
    pub fn from_parts(kind: u8, id: u64) -> Option<Target> {
        Some(match kind {
            1 => Target::Agent(AgentId(id)),
            2 => Target::Reason(ReasonId(id)),
            3 => Target::Grant(GrantId(id)),
            4 => Target::Principal(PrincipalId(id)),
            5 => Target::Lease(LeaseId(id)),
            _ => return None,
        })
    }
}
