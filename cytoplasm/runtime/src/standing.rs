//! How an agent stands with the gate: what its outputs took of the log, and its denials in a row.
//!
//! Both belong to the lease, not to the agent's state: they outlive a restart, are changed only by
//! steps that end well, and so are the same with and without crashes.

use karyon_log::{Output, StepEncoder};
use karyon_types::{Denial, LeaseId};

use crate::agent::Deed;
use crate::effects::EFFECTS_PER_AGENT;

#[derive(Default)]
pub(crate) struct Standing {
    /// Bytes that the outputs took in the log, denied ones included.
    log_bytes: u64,
    /// How often in a row there was no other answer than this to what it wanted: apart, since each
    /// agent has eight bytes less so.
    denials: u64,
    denied: Option<Denial>,
    /// What it had done outside and was not told of yet.
    effects: u32,
}

/// What an agent wants.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) deed: Deed,
    /// What it would say or remember.
    pub(crate) bytes: &'a [u8],
}

impl<'a> Wanted<'a> {
    #[inline]
    fn output(self, decision: Result<LeaseId, Denial>) -> Output<'a> {
        let payload = self.bytes;
        match (self.deed, decision) {
            (Deed::Send(to), Ok(lease)) => Output::Sent { lease, to, payload },
            (Deed::Send(to), Err(denial)) => Output::Denied { denial, to, payload },
            (Deed::Remember, Ok(lease)) => Output::Remembered { lease, write: payload },
            (Deed::Remember, Err(denial)) => Output::Forgone { denial, write: payload },
            (
                Deed::Arm
                | Deed::Monitor(_)
                | Deed::Link(_)
                | Deed::Spawn
                | Deed::Terminate(_)
                | Deed::Register(_)
                | Deed::Join
                | Deed::Recall
                | Deed::Effect
                | Deed::Mark(_),
                decision,
            ) => match decision {
                Ok(lease) => Output::Arranged { lease: Some(lease), what: payload },
                Err(denial) => Output::Unarranged { denial, what: payload },
            },
        }
    }
}

impl Standing {
    /// That of a lease under which so many bytes count as used already.
    pub(crate) fn having_used(log_bytes: u64) -> Standing {
        Standing { log_bytes, ..Standing::default() }
    }

    /// Whether it may have something more done outside.
    pub(crate) fn may_act(&self) -> bool {
        self.effects < EFFECTS_PER_AGENT
    }

    /// It has something done outside.
    pub(crate) fn acts(&mut self) {
        self.effects += 1;
    }

    /// It is told what came of that, or would be if it were there.
    pub(crate) fn acted(&mut self) {
        self.effects = self.effects.saturating_sub(1);
    }

    /// For a snapshot: the bytes; the number of a denial, and how often in a row; effects.
    pub(crate) fn save(&self) -> (u64, Option<(u8, u64)>, u32) {
        let row = self.row().map(|(denial, count)| (denial as u8, count));
        (self.log_bytes, row, self.effects)
    }

    pub(crate) fn load(log_bytes: u64, row: Option<(u8, u64)>, effects: u32) -> Standing {
        let row = row.and_then(|(denial, count)| Some((Denial::from_number(denial)?, count)));
        let mut standing = Standing { log_bytes, effects, ..Standing::default() };
        standing.set_row(row);
        standing
    }

    #[inline]
    fn row(&self) -> Option<(Denial, u64)> {
        self.denied.map(|denial| (denial, self.denials))
    }

    #[inline]
    fn set_row(&mut self, row: Option<(Denial, u64)>) {
        self.denied = row.map(|(denial, _)| denial);
        self.denials = row.map_or(0, |(_, count)| count);
    }

    pub(crate) fn log_bytes(&self) -> u64 {
        self.log_bytes
    }

    /// Records what comes of a wish; the decision, which is another than the gate's if the log
    /// would take more than `budget` bytes of outputs under this lease.
    ///
    /// That goes for what the gate denied as well: else an agent could fill the log with denials
    /// of different kinds. So the log takes at most the budget, one output as it was wanted, and
    /// a few bytes for each denial that follows.
    #[inline]
    pub(crate) fn record(
        &mut self,
        encoder: &mut StepEncoder,
        decision: Result<LeaseId, Denial>,
        budget: u64,
        wanted: Wanted<'_>,
    ) -> Result<LeaseId, Denial> {
        let begin = encoder.len();
        let row = self.write(encoder, decision, wanted);
        let used = self.log_bytes.saturating_add((encoder.len() - begin) as u64);
        if used <= budget {
            self.log_bytes = used;
            self.set_row(row);
            return decision;
        }
        encoder.truncate(begin);
        let denied = Err(Denial::BudgetExhausted);
        let row = self.write(encoder, denied, wanted);
        self.set_row(row);
        self.log_bytes = self.log_bytes.saturating_add((encoder.len() - begin) as u64);
        denied
    }

    /// Records what needs nobody's leave: to take something back, to trap exits, to end. A few
    /// bytes each, as a denial takes.
    pub(crate) fn record_free(&mut self, encoder: &mut StepEncoder, what: &[u8]) {
        let begin = encoder.len();
        encoder.output(&Output::Arranged { lease: None, what });
        self.log_bytes = self.log_bytes.saturating_add((encoder.len() - begin) as u64);
    }

    /// Writes the output; the row that it is part of.
    #[inline]
    fn write(
        &self,
        encoder: &mut StepEncoder,
        decision: Result<LeaseId, Denial>,
        wanted: Wanted<'_>,
    ) -> Option<(Denial, u64)> {
        let row = decision.err().map(|denial| match self.row() {
            Some((same, count)) if same == denial => (denial, count + 1),
            Some(_) | None => (denial, 1),
        });
        encoder.output(&match row {
            Some((denial, count)) if count > 1 => Output::DeniedAgain { denial, count },
            Some(_) | None => wanted.output(decision),
        });
        row
    }
}
