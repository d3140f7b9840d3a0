//! What records say of authority: leases, and changes to what holds.

use super::step::{Message, read_from, write_own};
use karyon_types::{AgentId, GrantId, LeaseId, PrincipalId, ReasonId, Tick, varint};

/// Stands for "none" where something follows.
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
    /// The lease that it was cut from; `None`: straight from the grant.
    pub cut: Option<Cut>,
}

/// Whence the lease of an agent comes that came to life in the course of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The lease of whom it comes from.
    pub from: LeaseId,
    /// The output with which that one spawned it; `None`: it was forked by the order before.
    pub by: Option<Message>,
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
    /// A second agent begins with its state.
    Fork = 5,
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
        varint::write_all(body, [self.id.0, self.owner.0, self.grant.0]);
        varint::write_all(body, [u64::from(self.rights), self.scope.0, self.scope.1]);
        let optional =
            [self.expires.map(|tick| tick.0), self.log_bytes, self.cut.map(|cut| cut.from.0)];
        let given = optional.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        for value in optional.iter().take(given) {
            varint::write(body, value.unwrap_or(NO_END));
        }
        if let Some(by) = self.cut.and_then(|cut| cut.by) {
            varint::write(body, by.from.0);
            write_own(body, by);
        }
    }

    pub(super) fn read(b: &mut &[u8]) -> Option<LeaseRecord> {
        let id = LeaseId(varint::read(b)?);
        let owner = AgentId(varint::read(b)?);
        let grant = GrantId(varint::read(b)?);
        let rights = varint::read(b)?.try_into().ok()?;
        let scope = (varint::read(b)?, varint::read(b)?);
        let mut optional = [None; 3];
        for value in &mut optional {
            *value = if b.is_empty() { None } else { Some(varint::read(b)?) };
        }
        let by = if b.is_empty() { None } else { Some(read_from(AgentId(varint::read(b)?), b)?) };
        // "None" is written only in front of something else, and nobody says it otherwise.
        if optional.iter().flatten().next_back() == Some(&NO_END) {
            return None;
        }
        let [expires, log_bytes, from] = optional.map(|value| value.filter(|v| *v != NO_END));
        let cut = from.map(|from| Cut { from: LeaseId(from), by });
        let expires = expires.map(Tick);
        Some(LeaseRecord { id, owner, grant, rights, scope, expires, log_bytes, cut })
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
        use OrderVerb::{Fork, Kill, Pause, Restart, Resume};
        [Pause, Resume, Kill, Restart, Fork].into_iter().find(|verb| *verb as u8 == number)
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
