//! Asking: what an agent wants to do, decided, told to the guardian, recorded.

use karyon_authority::{Ask, Decision, No};
use karyon_guard::Event;
use karyon_log::{Control, Intent, Refused};
use karyon_types::{Denial, EffectId, Hash, ProposalId};

use crate::broker::{Answer, Broker, Inner};
use crate::error::BrokerError;

/// What governs agents is no affair of theirs, whatever their leases say: names of actions and
/// of resources that begin so are Karyon's own.
const OWN_ACTIONS: &str = "karyon.";
const OWN_RESOURCES: &str = "karyon/";

/// The row in which the guardian counts those who name a lease that is none or another's: no
/// lease has this number, so nobody is blamed for others, and inventing leases gains nothing.
const NO_LEASE: u64 = 0;

impl Broker {
    /// Answers what an agent's session asks for; the answer is durable, a repeated denial
    /// excepted. The guardian is told of the question and of the answer before that.
    ///
    /// # Errors
    /// [`BrokerError::Log`]; [`BrokerError::Node`] also where the guardian does not answer.
    pub fn ask(&self, ask: &Ask<'_>) -> Result<Answer, BrokerError> {
        let mut inner = self.enter()?;
        let decided = inner.ledger.ask(ask);
        let lease = match &decided {
            Decision::Denied(no) if is_not_its_own(no) => NO_LEASE,
            _ => ask.lease.0,
        };
        let is_known =
            !matches!(&decided, Decision::Denied(no) if no.denial == Denial::UnknownLease);
        let words = format!("{} on {}", shortened(ask.action), shortened(ask.resource));
        inner.report(Event::Ask, lease, &words)?;
        let wants_own =
            ask.action.starts_with(OWN_ACTIONS) || ask.resource.starts_with(OWN_RESOURCES);
        if wants_own {
            inner.report(Event::SelfModification, lease, &words)?;
        }
        let decision = match (inner.is_stopped(), wants_own) {
            (true, _) => Decision::Denied(Denial::SystemHalted.into()),
            (false, true) => Decision::Denied(Denial::DefaultDeny.into()),
            (false, false) => decided,
        };
        let mut records = Vec::new();
        let answer = match decision {
            Decision::Admitted(intent) => {
                inner.report_admission(&intent, &words)?;
                let id = EffectId(intent.id);
                records.push(Control::Intent(intent));
                Answer::Admitted(id)
            }
            Decision::NeedsApproval(proposal) => {
                let (id, digest) = (ProposalId(proposal.id), Hash(proposal.digest));
                records.push(Control::Proposal(proposal));
                Answer::NeedsApproval { proposal: id, digest }
            }
            Decision::Pending(id) => {
                let digest = inner.ledger.proposal(id).map_or([0; 32], |(p, _)| p.digest);
                Answer::NeedsApproval { proposal: id, digest: Hash(digest) }
            }
            Decision::LaneClosed => Answer::LaneClosed,
            Decision::Denied(no) => {
                inner.report(Event::Rejection, lease, &format!("{}: {words}", no.code()))?;
                let due = inner.denied(ask, &no, is_known);
                records.extend(due.into_iter().map(Control::Refused));
                Answer::Denied(no)
            }
        };
        inner.record(records)?;
        Ok(answer)
    }
}

impl Inner {
    /// An intent that no person approved of is a task that an agent starts of its own accord.
    fn report_admission(&mut self, intent: &Intent, words: &str) -> Result<(), BrokerError> {
        self.report(Event::Admitted, intent.lease, words)?;
        let proposal = intent.proposal.map(ProposalId);
        match proposal.is_some_and(|id| self.ledger.is_approved_by_person(id)) {
            true => Ok(()),
            false => self.report(Event::Task, intent.lease, words),
        }
    }

    /// What is to be recorded of a denial.
    fn denied(&mut self, ask: &Ask<'_>, no: &No, is_known: bool) -> Vec<Refused> {
        let refused = Refused {
            agent: ask.agent.0,
            lease: is_known.then_some(ask.lease.0),
            code: no.code().into_owned(),
            action: shortened(ask.action),
            resource: shortened(ask.resource),
            count: 1,
        };
        let row = self.ledger.knows(ask.agent).then_some(ask.agent);
        self.denials.denied(row, refused)
    }
}

fn is_not_its_own(no: &No) -> bool {
    matches!(no.denial, Denial::UnknownLease | Denial::LeaseAgentMismatch)
}

/// What an agent names is its own affair, but not how much of the log it takes.
fn shortened(text: &str) -> String {
    text.chars().take(karyon_authority::limits::TEXT_BYTES_MAX).collect()
}
