//! Orphans: whatever was done without a reason that can be found.
//!
//! One walk through the log. A cause lies before its effect, so each record is judged by what
//! came before it. What is held: principals, reasons, grants and leases (some 50 bytes each),
//! messages and news of denials that nobody handled yet (some 60), the numbers of the inputs that
//! were handled, of proposals and of effects (some 10 each). So memory grows with what is alive
//! and with inputs and effects, not with steps.

mod ledger;

use std::fmt;
use std::path::Path;

use karyon_log::{Message, Walk};
use karyon_types::Position;

use crate::groups::{ReadError, each_record};
use crate::limits::LISTED_ORPHANS;
use ledger::Ledger;

/// What a record needs and the log does not hold before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// This lease was never opened.
    Lease(u64),
    /// This lease is another agent's.
    Owner {
        /// The lease.
        lease: u64,
        /// Who holds it.
        owner: u64,
    },
    /// This grant was never given.
    Grant(u64),
    /// Nobody is known by this number.
    Principal(u64),
    /// This reason was never given.
    Reason(u64),
    /// This reason says nothing.
    Label(u64),
    /// The number was given before, to something else.
    Unique(u64),
    /// This message was never admitted for this receiver, or was handled before.
    Message(Message),
    /// This output was never denied, or its news was handled before.
    Denial(Message),
    /// The agent armed no such timer.
    Timer(Message),
    /// Nobody ended there, and the agent bound itself to nobody there.
    End(Message),
    /// Nobody was asked for there, or this is not what came of it, or it was answered before.
    Spawn(Message),
    /// Nothing was asked there, or its answer was handled before.
    Told(Message),
    /// Nobody ordered right before that this agent be forked.
    Fork(u64),
    /// This input was not released, or was handled before.
    Input(u32),
    /// This was never proposed.
    Proposal(u64),
    /// This proposal was never approved, or was used before.
    Approval(u64),
    /// This proposal was approved before: one approval is for one use.
    Approved(u64),
    /// Neither a principal nor an agent approved.
    Approver,
    /// This effect was never admitted.
    Intent(u64),
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = |message: &Message| {
            let Message { from, step, output } = message;
            format!("{from}, step {step}, output {output}")
        };
        match self {
            Want::Lease(id) => write!(f, "lease {id} was never opened"),
            Want::Owner { lease, owner } => write!(f, "lease {lease} belongs to agent {owner}"),
            Want::Grant(id) => write!(f, "grant {id} was never given"),
            Want::Principal(id) => write!(f, "nobody is principal {id}"),
            Want::Reason(id) => write!(f, "reason {id} was never given"),
            Want::Label(id) => write!(f, "reason {id} says nothing"),
            Want::Unique(id) => write!(f, "the number {id} stands for something else already"),
            Want::Message(message) => {
                write!(f, "no message for it is open from {}", parts(message))
            }
            Want::Denial(message) => write!(f, "no denial is open of {}", parts(message)),
            Want::Spawn(message) => write!(f, "no such birth is open of {}", parts(message)),
            Want::Told(message) => write!(f, "no answer is open of {}", parts(message)),
            Want::Fork(id) => write!(f, "nobody ordered that agent {id} be forked"),
            Want::Timer(message) => write!(f, "no timer was armed by {}", parts(message)),
            Want::End(message) => write!(f, "nobody ended by {}", parts(message)),
            Want::Input(index) => write!(f, "input {index} was not released, or handled before"),
            Want::Proposal(id) => write!(f, "proposal {id} was never made"),
            Want::Approval(id) => write!(f, "proposal {id} has no approval to use"),
            Want::Approved(id) => write!(f, "proposal {id} was approved before"),
            Want::Approver => f.write_str("neither a principal nor an agent approved"),
            Want::Intent(id) => write!(f, "effect {id} was never admitted"),
        }
    }
}

/// Something that was done without a reason that can be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// The record that says it was done.
    pub position: Position,
    /// What was done.
    pub what: String,
    /// What is missing.
    pub want: Want,
}

/// What a log holds of orphans.
#[derive(Clone, Debug, Default)]
pub struct Orphans {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub first: Vec<Orphan>,
    /// How many records were looked at.
    pub records: u64,
    /// How many things done were traced to a reason.
    pub traced: u64,
}

impl Orphans {
    /// Notes the outcome for one thing that was done.
    fn judge(
        &mut self,
        position: Position,
        outcome: Result<(), Want>,
        what: impl FnOnce() -> String,
    ) {
        let Err(want) = outcome else {
            self.traced += 1;
            return;
        };
        self.count += 1;
        if self.first.len() < LISTED_ORPHANS {
            self.first.push(Orphan { position, what: what(), want });
        }
    }
}

/// Looks through the whole log in `folder`.
///
/// # Errors
/// When the log is damaged or cannot be read.
pub fn find_orphans(folder: &Path) -> Result<Orphans, ReadError> {
    let mut walk = Walk::open(folder)?;
    let (mut ledger, mut orphans) = (Ledger::default(), Orphans::default());
    while let Some(blocks) = walk.next_group()? {
        for block in &blocks {
            each_record(block, |position, _, record| -> Result<(), ReadError> {
                orphans.records += 1;
                ledger.enter(position, &record, &mut orphans);
                Ok(())
            })?;
        }
    }
    Ok(orphans)
}
