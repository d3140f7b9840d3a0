//! One link as a sentence, and who answers as lines.

use karyon_log::{CrashKind, Decision, Loss};
use karyon_memory::{
    Answerable, Approved, FROM, Lineage, Link, Readable, What, named_all, spoken_of,
};
use karyon_memory_ops::{Properties, Time, Value, Vertex};
use karyon_types::AgentId;

use super::super::memory::show::value_words;
use super::Teller;
use crate::error::CliError;
use crate::output::{hex, plain};
use crate::words::{
    arrangement_words, change_words, control_words, lost_words, measure_words, order_words,
    told_words,
};

impl Teller<'_> {
    pub(super) fn name(&self, agent: AgentId) -> Result<String, CliError> {
        Ok(spoken_of(self.reader, None, &Vertex::Agent(agent))?)
    }

    pub(super) fn who(&self, link: &Link) -> Result<String, CliError> {
        link.agent.map_or_else(|| Ok("the node".into()), |agent| self.name(agent))
    }

    pub(super) fn properties(&self, properties: &Properties) -> Result<Properties, CliError> {
        Ok(named_all(self.reader, None, properties.clone())?)
    }

    pub(super) fn input(&self, index: u32) -> String {
        let words = self.words.as_ref().and_then(|words| words.input(index));
        words.unwrap_or_else(|| format!("input {index}"))
    }

    pub(super) fn sentence(&self, link: &Link) -> Result<String, CliError> {
        let who = self.who(link)?;
        Ok(match &link.what {
            What::Fact { predicate, valid, properties } => {
                let mut sentence = format!("{who} {predicate}");
                if valid.from != Time::MIN {
                    sentence = format!("{sentence}, since {}", Readable(valid.from));
                }
                for (name, value) in self.properties(properties)? {
                    match value {
                        Value::Null if name == FROM => sentence.push_str(", it began there"),
                        Value::Time(time) if time == valid.from => {}
                        value => sentence = format!("{sentence}, {name} {}", value_words(&value)),
                    }
                }
                sentence
            }
            What::Sent { to, payload } => {
                let said = self.words.as_ref().and_then(|words| words.message(payload));
                format!("{who} sent {} {}", self.name(*to)?, said.unwrap_or("a message"))
            }
            What::Denied { to: Some(to), denial } => {
                format!("{who} was not allowed to send to {}: {denial}", self.name(*to)?)
            }
            What::Denied { to: None, denial } => {
                format!("{who} was not allowed to remember: {denial}")
            }
            What::DeniedAgain { denial, count } => {
                format!("{who} was denied for the {count}th time in a row: {denial}")
            }
            What::Arranged { what, denial: None } => format!("{who} {}", arrangement_words(what)),
            What::Arranged { what, denial: Some(denial) } => {
                format!("{who} was denied this: it {}: {denial}", arrangement_words(what))
            }
            What::Input { index } => format!("{who} was told {}", self.input(*index)),
            What::Step { step, sent, remembered, denied } => {
                let mut did = vec![format!("{who} took step {step}")];
                for (count, what) in
                    [(sent, "sent"), (remembered, "remembered"), (denied, "was denied")]
                {
                    if *count > 0 {
                        did.push(format!("{what} {count}"));
                    }
                }
                did.join(", ")
            }
            What::Crashed { kind, decision } => {
                let how = match kind {
                    CrashKind::Panic => "panicked",
                    CrashKind::Error => "failed",
                    CrashKind::Chaos => "was killed by chaos",
                    CrashKind::Order => "was ended by an order",
                    CrashKind::Link => "ended with one that it was linked to",
                };
                let then = match decision {
                    Decision::Redelivered => "restarted, and the same came again",
                    Decision::Restarted => "restarted",
                    Decision::Stopped => "not restarted",
                    Decision::LeftToSupervisor => "left to its supervisor",
                };
                format!("{who} {how}, and was {then}")
            }
            What::Lost { loss } => {
                let why = lost(*loss);
                format!("something for {who} was never handled: {why}")
            }
            What::Born => format!("{who} was born"),
            What::Leased => format!("a lease was opened for {who}"),
            What::Schedule => "it was said how the agents take turns".into(),
            What::Tick => {
                link.tick.map_or_else(|| "a tick began".into(), |tick| format!("{tick} began"))
            }
            What::Released { count: 1 } => "an input was released".into(),
            What::Released { count } => format!("{count} inputs were released"),
            What::Control(control) => control_words(control),
            What::Changed { verb, target } => change_words(*verb, *target),
            What::Quarantined { first, last } => lost_words(*first, *last),
            What::Ordered { verb, uid } => order_words(&who, *verb, *uid),
            What::Told { what } => told_words(&who, what),
            What::Supervised { measure } => measure_words(&who, *measure),
        })
    }

    /// Who approved, who answers, and why it was allowed.
    pub(super) fn authority_lines(&self, lineage: &Lineage) -> Result<Vec<String>, CliError> {
        let mut lines = Vec::new();
        for approved in &lineage.approved {
            lines.push(format!("approved    {}", self.approver(approved)?));
        }
        let Some(authority) = &lineage.authority else { return Ok(lines) };
        lines.push(format!("allowed by  {}", allowed(authority)));
        if !authority.reasons.is_empty() {
            let because = authority.reasons.join("; and that because: ");
            lines.push(format!("because     {}", plain(&because)));
        }
        let key = hex(&authority.principal.public_key);
        lines.push(format!("answers     {}, public key {key}", authority.principal.name));
        Ok(lines)
    }

    fn approver(&self, approved: &Approved) -> Result<String, CliError> {
        let record = approved.position;
        let principal = approved.authority.as_ref().map(|answers| answers.principal.name.as_str());
        let principal = principal.unwrap_or("nobody whom the log names");
        Ok(match (approved.agent, &approved.authority) {
            (None, _) => format!("by {principal} ({record})"),
            (Some(agent), None) => {
                format!("by {} ({record}), for whom {principal} answers", self.name(agent)?)
            }
            (Some(agent), Some(authority)) => format!(
                "by {} ({record}), with {}, for which {principal} answers",
                self.name(agent)?,
                allowed(authority)
            ),
        })
    }
}

/// What allowed it.
fn allowed(authority: &Answerable) -> String {
    match (authority.grant, authority.lease) {
        (Some((grant, record)), Some(lease)) => format!("{lease}, cut from {grant} ({record})"),
        (Some((grant, record)), None) => format!("{grant} ({record})"),
        (None, _) => format!("{} in person", authority.principal.name),
    }
}

/// Why something was never handled.
pub(super) fn lost(loss: Loss) -> &'static str {
    match loss {
        Loss::Poison => "it killed its receiver too often",
        Loss::ReceiverGone => "its receiver was gone",
        Loss::MailboxEmptied => "its receiver was restarted with an empty mailbox",
        Loss::Refused => "its receiver's mailbox was too full for it",
    }
}
