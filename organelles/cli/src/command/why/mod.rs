//! `karyon why`: the chain of causes, or the tree of consequences, readable.

mod dot;
mod json;
mod memories;
mod sentence;
mod text;

use std::path::Path;

use karyon_colony::life;
use karyon_colony::names::nearest;
use karyon_colony::words::Words;
use karyon_graph::Reader;
use karyon_memory::{Bounds, Journal, Subject, consequences, explain};
use karyon_memory_ops::Vertex;
use karyon_types::Position;

use memories::Memories;

use super::memory::{all_names, open};
use crate::args::Why;
use crate::error::{CliError, Code};
use crate::{output, progress};

/// Names that are suggested for one that is not there.
const SUGGESTIONS: usize = 3;

pub(crate) fn execute(args: &Why) -> Result<Code, CliError> {
    let graph = open(&args.data)?;
    let reader = graph.read()?;
    let mut journal = journal(&args.data)?;
    let subject = subject(args, &reader, &journal)?;
    let teller = Teller { reader: &reader, words: words(&args.data, &mut journal)? };
    if args.consequences {
        let bounds = Bounds { depth: args.depth.get(), links: args.limit.get() };
        let tree = consequences(subject, bounds, &mut journal, &reader)?;
        if args.json {
            output::json(&teller.tree_json(&args.reference, bounds, &tree)?);
        } else if args.dot {
            teller.tree_dot(&tree)?;
        } else {
            teller.tree_text(&args.reference, subject, bounds, &tree)?;
        }
        return Ok(Code::Ok);
    }
    let lineage = explain(subject, &mut journal, &reader)?;
    let memories = Memories::of(&lineage, &args.data, &reader, &mut journal)?;
    if args.json {
        let mut answer = teller.chain_json(&args.reference, &lineage)?;
        if let Some(memories) = &memories {
            memories.put_into(&mut answer);
        }
        output::json(&answer);
    } else if args.dot {
        teller.chain_dot(&lineage)?;
    } else {
        teller.chain_text(&args.reference, subject, &lineage)?;
        memories.iter().for_each(Memories::show);
    }
    Ok(Code::Ok)
}

/// The log of a data directory with its index, brought up to it.
fn journal(data: &Path) -> Result<Journal, CliError> {
    let spinner = progress::reading();
    let journal = Journal::of(data, &mut |records| spinner.set(records));
    drop(spinner);
    let journal = journal?;
    if let Some(why) = journal.unkept() {
        output::note(&format!("{why}: the index of causes was built in memory and is not kept"));
    }
    if let Some(why) = journal.rebuilt() {
        output::note(&format!("note: the index of causes was built anew from the log: {why}"));
    }
    Ok(journal)
}

/// What the reference means: `#N` is a record, anything else an agent's name.
fn subject(args: &Why, reader: &Reader, journal: &Journal) -> Result<Subject, CliError> {
    let reference = args.reference.as_str();
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
    if let Some(error) = memories::named(reference, &args.data, reader)? {
        return Err(error);
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
fn words(data: &Path, journal: &mut Journal) -> Result<Option<Words>, CliError> {
    let is_colony = journal.genesis()?.is_some_and(|genesis| life::is_of_colony(&genesis));
    Ok(if is_colony { Some(Words::load(data)?) } else { None })
}

/// Tells causes and consequences with the names of agents and the words of the colony.
struct Teller<'a> {
    reader: &'a Reader,
    words: Option<Words>,
}
