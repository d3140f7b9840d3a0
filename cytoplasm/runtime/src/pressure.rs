//! What is refused when a mailbox is full, rather than that the run ends.

use karyon_arrangements::Lane;

use crate::terms::Limits;

/// What a run sheds. A mailbox holds [`Limits::messages_per_tick`]; in each tick what is
/// safety-critical is admitted first, then what is normal, then what is speculative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shed {
    /// A speculative message is refused once the mailbox holds so many messages; one beyond the
    /// mailbox's bound is refused in any case.
    pub speculative: u64,
    /// Messages beyond the mailbox's bound that it holds if they are safety-critical. One more ends
    /// the run.
    pub critical: u64,
}

/// Why a message was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The mailbox was full.
    MailboxFull,
    /// It was speculative, and the mailbox held as much as it may hold of that.
    LaneClosed,
}

impl Refused {
    /// Its stable code.
    pub fn code(self) -> &'static str {
        match self {
            Refused::MailboxFull => "mailbox_full",
            Refused::LaneClosed => "lane_closed",
        }
    }
}

/// The number of messages in a mailbox behind which each of them has to be looked at.
pub(crate) fn begins(limits: &Limits) -> u64 {
    let bound = limits.messages_per_tick;
    limits.shed.map_or(bound, |shed| shed.speculative.min(bound))
}

/// Whether a mailbox that holds `held` messages admits one more.
///
/// # Errors
/// Why not; `None`: that ends the run.
pub(crate) fn admits(limits: &Limits, lane: Lane, held: u64) -> Result<(), Option<Refused>> {
    let refused = match lane {
        Lane::Critical => None,
        Lane::Normal => Some(Refused::MailboxFull),
        Lane::Speculative => Some(Refused::LaneClosed),
    };
    let sheds = limits.shed.is_some();
    if held < room(limits, lane) { Ok(()) } else { Err(refused.filter(|_| sheds)) }
}

/// As many messages as a mailbox holds before it has no room for one more of this lane.
pub(crate) fn room(limits: &Limits, lane: Lane) -> u64 {
    let bound = limits.messages_per_tick;
    match (lane, limits.shed) {
        (Lane::Normal, _) | (Lane::Critical | Lane::Speculative, None) => bound,
        (Lane::Critical, Some(shed)) => bound.saturating_add(shed.critical),
        (Lane::Speculative, Some(shed)) => bound.min(shed.speculative),
    }
}
