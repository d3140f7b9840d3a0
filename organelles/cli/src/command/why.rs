//! `karyon why`: the chain of causes, readable.

use std::collections::BTreeMap;
use std::path::Path;

use karyon_colony::names::nearest;
use karyon_colony::words::Words;
use karyon_graph::Reader;
use karyon_log::{Control, CrashKind, Decision, Loss};
use karyon_memory::{
    Answerable, FROM, Journal, Lineage, Link, Readable, Subject, What, explain, named_all,
    spoken_of,
};
use karyon_memory_ops::{Properties, Time, Value, Vertex};
use karyon_runtime::datadir::log_folder;
use karyon_types::{AgentId, Position};
use serde_json::{Value as Json, json};

use super::memory::show::{moment, quoted, value_json, value_words};
use super::memory::{all_names, open};
use crate::args::Why;
use crate::error::{CliError, Code};
use crate::output::{self, hex, put};
use crate::words::{change_words, control_kind, control_words};

/// Names that are suggested for one that is not there.
const SUGGESTIONS: usize = 3;

pub(crate) fn execute(args: &Why) -> Result<Code, CliError> {
    let graph = open(&args.data)?;
    let reader = graph.read()?;
    let mut journal = Journal::open(&log_folder(&args.data))?;
    let subject = subject(&args.reference, &reader, &journal)?;
    let lineage = explain(subject, &mut journal, &reader)?;
    let teller = Teller { reader: &reader, words: words(&args.data, &journal)? };
    if args.json {
        output::json(&teller.json(&args.reference, &lineage)?);
    } else if args.dot {
        teller.dot(&lineage)?;
    } else {
        teller.text(&args.reference, subject, &lineage)?;
    }
    Ok(Code::Ok)
}

/// What the reference means: `#N` is a record, anything else an agent's name.
fn subject(reference: &str, reader: &Reader, journal: &Journal) -> Result<Subject, CliError> {
    if let Some(number) = reference.strip_prefix('#') {
        let end = journal.end().0;
        return match number.parse() {
            Ok(position) if position < end => Ok(Subject::Record(Position(position))),
            Ok(_) | Err(_) => Err(CliError::failure(format!("there is no record {reference}"))
                .with_hint(format!("the records are #0 to #{}", end.saturating_sub(1)))),
        };
    }
    let vertices = reader.vertices_named(reference)?;
    let own = vertices.iter().find_map(|vertex| match (&vertex.vertex, vertex.origin) {
        (Vertex::Agent(agent), None) => Some(*agent),
        _ => None,
    });
    if let Some(agent) = own {
        return Ok(Subject::Agent(agent));
    }
    if let Some(origin) = vertices.iter().find_map(|vertex| vertex.origin) {
        return Err(CliError::failure(format!(
            "{reference} is known from elsewhere only: its causes are in log {origin}"
        ))
        .with_hint(format!(
            "ask there, or see where it came from: `karyon memory get {reference} --data DIR`"
        )));
    }
    let names = all_names(reader)?;
    let near = nearest(reference, names.iter().map(String::as_str), SUGGESTIONS);
    let error = CliError::failure(format!("there is no agent called \"{reference}\""));
    let quoted: Vec<_> = near.iter().map(|name| format!("\"{name}\"")).collect();
    let mut hint = String::new();
    if !quoted.is_empty() {
        hint = format!("nearest names: {}", quoted.join(", "));
    }
    if reference.parse::<u64>().is_ok_and(|number| number < journal.end().0) {
        let or = if hint.is_empty() { "" } else { "; or, " };
        hint = format!("{hint}{or}if the record is meant: karyon why '#{reference}'");
    }
    Err(if hint.is_empty() { error } else { error.with_hint(hint) })
}

/// The words of the colony whose log this is; `None`: it is no colony's.
fn words(data: &Path, journal: &Journal) -> Result<Option<Words>, CliError> {
    let has_contacts = journal.controls().iter().any(
        |(_, control)| matches!(control, Control::Genesis(genesis) if !genesis.inputs.is_empty()),
    );
    Ok(if has_contacts { Some(Words::load(data)?) } else { None })
}

/// Tells a lineage with the names of agents and the words of the colony.
struct Teller<'a> {
    reader: &'a Reader,
    words: Option<Words>,
}

impl Teller<'_> {
    fn name(&self, agent: AgentId) -> Result<String, CliError> {
        Ok(spoken_of(self.reader, None, &Vertex::Agent(agent))?)
    }

    fn who(&self, link: &Link) -> Result<String, CliError> {
        link.agent.map_or_else(|| Ok("the node".into()), |agent| self.name(agent))
    }

    fn properties(&self, properties: &Properties) -> Result<Properties, CliError> {
        Ok(named_all(self.reader, None, properties.clone())?)
    }

    fn text(&self, reference: &str, subject: Subject, lineage: &Lineage) -> Result<(), CliError> {
        let known = lineage.links.iter().any(|link| matches!(link.what, What::Fact { .. }));
        if matches!(subject, Subject::Agent(_)) && !known {
            output::line(&match lineage.links.is_empty() {
                true => format!("no fact is recorded of {reference}, and it never took a step"),
                false => format!("no fact is recorded of {reference}; this is its last step:"),
            });
        }
        let mut rows = Vec::new();
        let mut links = lineage.links.iter().peekable();
        while let Some(link) = links.next() {
            let mut sentence = self.sentence(link)?;
            // What made the sender send stands in the same line.
            if let (What::Sent { .. } | What::Denied { .. }, Some(next)) =
                (&link.what, links.peek())
                && let What::Input { index } = next.what
                && (next.agent, next.position) == (link.agent, link.position)
            {
                sentence = format!("{sentence} ({})", self.input(index));
                links.next();
            }
            let heads = rows.is_empty() || matches!(link.what, What::Fact { .. });
            let indent = if heads { "" } else { "  " };
            rows.push((format!("#{}", link.position.0), format!("{indent}{sentence}")));
        }
        let width = rows.iter().map(|(record, _)| record.len()).max().unwrap_or(0);
        for (record, sentence) in rows {
            output::line(&format!("{record:width$}  {sentence}"));
        }
        if let Some(authority) = &lineage.authority {
            output::line("");
            authority_lines(authority).iter().for_each(|line| output::line(line));
        }
        Ok(())
    }

    fn input(&self, index: u32) -> String {
        let words = self.words.as_ref().and_then(|words| words.input(index));
        words.unwrap_or_else(|| format!("input {index}"))
    }

    fn sentence(&self, link: &Link) -> Result<String, CliError> {
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
                };
                let then = match decision {
                    Decision::Redelivered => "restarted, and the same came again",
                    Decision::Restarted => "restarted",
                    Decision::Stopped => "not restarted",
                };
                format!("{who} {how}, and was {then}")
            }
            What::Lost { loss } => {
                let why = match loss {
                    Loss::Poison => "it killed its receiver too often",
                    Loss::ReceiverGone => "its receiver was gone",
                    Loss::MailboxEmptied => "its receiver was restarted with an empty mailbox",
                };
                format!("something for {who} was never handled: {why}")
            }
            What::Born => format!("{who} was born"),
            What::Leased => format!("a lease was opened for {who}"),
            What::Tick => {
                link.tick.map_or_else(|| "a tick began".into(), |tick| format!("{tick} began"))
            }
            What::Released { count: 1 } => "an input was released".into(),
            What::Released { count } => format!("{count} inputs were released"),
            What::Control(control) => control_words(control),
            What::Changed { verb, target } => change_words(*verb, *target),
        })
    }

    fn json(&self, reference: &str, lineage: &Lineage) -> Result<Json, CliError> {
        let links = lineage.links.iter().map(|link| self.link_json(link));
        Ok(json!({
            "ref": reference,
            "chain": links.collect::<Result<Vec<_>, _>>()?,
            "authority": lineage.authority.as_ref().map(|authority| json!({
                "lease": authority.lease.map(|lease| lease.0),
                "grant": authority.grant.0,
                "grant_record": authority.granted.0,
                "reasons": authority.reasons,
                "principal": authority.principal.name,
                "principal_key": hex(&authority.principal.public_key),
            })),
        }))
    }

    fn link_json(&self, link: &Link) -> Result<Json, CliError> {
        let mut out = json!({
            "record": link.position.0,
            "tick": link.tick.map(|tick| tick.0),
            "agent": link.agent.map(|agent| self.name(agent)).transpose()?,
            "lease": link.lease.map(|lease| lease.0),
            "words": self.sentence(link)?,
        });
        let mut put = |name: &str, value: Json| put(&mut out, name, value);
        match &link.what {
            What::Fact { predicate, valid, properties } => {
                put("kind", "fact".into());
                put("predicate", predicate.as_str().into());
                put("valid_from", moment(valid.from));
                put("valid_to", valid.to.map_or(Json::Null, moment));
                let properties: BTreeMap<_, _> = self
                    .properties(properties)?
                    .iter()
                    .map(|(name, value)| (name.clone(), value_json(value)))
                    .collect();
                put("properties", json!(properties));
            }
            What::Sent { to, payload } => {
                put("kind", "sent".into());
                put("to", self.name(*to)?.into());
                put("payload", hex(payload).into());
            }
            What::Denied { to, denial } => {
                put("kind", "denied".into());
                put("to", to.map(|to| self.name(to)).transpose()?.into());
                put("denial", denial.code().into());
            }
            What::DeniedAgain { denial, count } => {
                put("kind", "denied_again".into());
                put("denial", denial.code().into());
                put("count", (*count).into());
            }
            What::Input { index } => {
                put("kind", "input".into());
                put("input", (*index).into());
            }
            What::Step { step, .. } => {
                put("kind", "step".into());
                put("step", (*step).into());
            }
            What::Crashed { .. } => put("kind", "crash".into()),
            What::Lost { .. } => put("kind", "dead_letter".into()),
            What::Born => put("kind", "spawn".into()),
            What::Leased => put("kind", "lease".into()),
            What::Tick => put("kind", "tick".into()),
            What::Released { count } => {
                put("kind", "inputs".into());
                put("count", (*count).into());
            }
            What::Control(control) => put("kind", control_kind(control).into()),
            What::Changed { verb, target } => {
                put("kind", "change".into());
                put("change", change_words(*verb, *target).into());
            }
        }
        Ok(out)
    }

    fn dot(&self, lineage: &Lineage) -> Result<(), CliError> {
        output::line("digraph why {");
        output::line("  rankdir=BT; node [shape=box];");
        for (number, link) in lineage.links.iter().enumerate() {
            let words = quoted(&format!("{}\n#{}", self.sentence(link)?, link.position.0));
            output::line(&format!("  n{number} [label={words}];"));
            if number > 0 {
                output::line(&format!("  n{number} -> n{};", number - 1));
            }
        }
        if let (Some(authority), Some(last)) =
            (&lineage.authority, lineage.links.len().checked_sub(1))
        {
            let words = quoted(&authority_lines(authority).join("\n"));
            output::line(&format!("  root [label={words}, shape=ellipse];"));
            output::line(&format!("  root -> n{last};"));
        }
        output::line("}");
        Ok(())
    }
}

fn authority_lines(authority: &Answerable) -> [String; 3] {
    let granted = format!("grant {} (#{})", authority.grant.0, authority.granted.0);
    let allowed = match authority.lease {
        Some(lease) => format!("{lease}, cut from {granted}"),
        None => granted,
    };
    [
        format!("allowed by  {allowed}"),
        format!("because     {}", authority.reasons.join("; and that because: ")),
        format!(
            "answers     {}, public key {}",
            authority.principal.name,
            hex(&authority.principal.public_key)
        ),
    ]
}
