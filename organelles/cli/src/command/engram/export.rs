//! `karyon engram export`: what agents remember, as a signed file.

use std::fs::{File, OpenOptions};
use std::io::BufWriter;
use std::path::Path;

use karyon_engram::{EngramError, Principal};
use karyon_graph::{Kind, Reader};
use karyon_keys::KeyDirectory;
use karyon_memory::{
    GovernedSelection, Journal, Moment, Selection, TransplantError, export, export_governed, spool,
};
use karyon_memory_ops::{MemoKind, Vertex};
use karyon_runtime::datadir;
use karyon_types::AgentId;
use karyon_verify::{Trust, verify};
use serde_json::json;

use super::super::memory::change::now;
use super::super::memory::forget::memories as count;
use super::super::memory::secrets::Secrets;
use super::super::memory::{moment, named, open, unknown};
use super::super::refuse_inside;
use crate::args::{Choice, Export};
use crate::error::{CliError, Code};
use crate::output::{self, size};
use crate::{grant, keys};

pub(crate) fn execute(args: &Export) -> Result<Code, CliError> {
    let data = args.data.as_path();
    // What conflicts with --around is not asked for it by the parser.
    if args.hops.is_some() && args.choice.around.is_empty() {
        return Err(CliError::failure("--hops says how far --around reaches, and needs it"));
    }
    let hops = args.hops.unwrap_or(1);
    if args.principal.is_some() && !args.choice.is_governed() {
        return Err(CliError::failure(
            "--principal is for memories for which somebody answers: of agents' memories the first \
             principal of the log does",
        ));
    }
    let at = match args.at.as_deref().map(|at| moment(at, "--at")).transpose()? {
        None => None,
        Some(Moment::Time(time)) => Some(time),
        Some(Moment::Tick(_)) => {
            return Err(CliError::failure("--at: a tick is a place in the record, not a time")
                .with_hint("give a number as in the input, or a date"));
        }
    };
    refuse_inside(&args.out, data)?;
    let directory = KeyDirectory::from_environment()?;
    let secrets = match args.choice.is_governed() {
        true => Secrets::open_settled(&directory, data)?,
        false => None,
    };
    let graph = open(data)?;
    // What is taken out is vouched for, so the log is verified first.
    let (log, checkpoint) = (datadir::log_folder(data), datadir::checkpoint_file(data));
    let trust = Trust { node_key: None, known: keys::trusted(None, data)?.known };
    let report = verify(&log, &checkpoint, &datadir::inputs(data), &trust)?;
    // A log that was begun with a former node key is vouched for by that key.
    let key = keys::of_node(&directory, Some(&report.node_key))?;
    let reader = graph.read()?;
    let agents_called = |names: &[String]| {
        names.iter().map(|name| agent(&reader, name)).collect::<Result<Vec<_>, _>>()
    };
    let choice = &args.choice;
    for (names, kind, what) in
        [(&choice.label, Kind::Vertex, "label"), (&choice.fact, Kind::Fact, "fact")]
    {
        check_names(&reader, names, kind, what)?;
    }
    let selection = Selection {
        agents: &agents_called(&choice.agent)?,
        labels: &choice.label,
        writers: &agents_called(&choice.writer)?,
        facts: &choice.fact,
        around: &agents_called(&choice.around)?,
        hops,
        at,
        without_history: args.no_history,
    };
    let governed = GovernedSelection {
        subjects: &choice.subject,
        keys: &choice.key,
        owners: &choice.owner,
        kinds: &choice.kind.iter().copied().map(MemoKind::from).collect::<Vec<_>>(),
        at,
        without_history: args.no_history,
        now: at.is_none().then(|| now().units()),
    };
    let mut journal = Journal::of(data, &mut |_| ())?;
    let (mut made, mut superseded, mut hearsay) = (None, 0, 0);
    write_new(&args.out, |spool, out| {
        let mut out = BufWriter::new(out);
        let files = (spool, &mut out);
        let sealed = match choice.is_governed() {
            true => {
                let keys = secrets.as_ref().map(Secrets::keys);
                let chosen = (&governed, giver(&directory, args.principal.as_deref())?);
                export_governed(&report, &reader, &mut journal, keys, chosen, &key, files).map(
                    |exported| {
                        (superseded, hearsay) = (exported.superseded, exported.hearsay);
                        (exported.bytes, exported.memories)
                    },
                )
            }
            false => export(&report, &reader, &mut journal, &selection, &key, files),
        };
        made = Some(sealed.map_err(|error| unwritten(error, &args.out))?);
        Ok(())
    })?;
    let (bytes, memories) = made.unwrap_or_default();
    if args.json {
        output::json(&json!({
            "out": args.out,
            "agents": choice.agent,
            "labels": choice.label,
            "writers": choice.writer,
            "facts": choice.fact,
            "around": choice.around,
            "subjects": choice.subject,
            "keys": choice.key,
            "owners": choice.owner,
            "kinds": governed.kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>(),
            "hops": (!choice.around.is_empty()).then_some(hops),
            "history": !args.no_history,
            "memories": memories,
            "superseded": choice.is_governed().then_some(superseded),
            "hearsay": choice.is_governed().then_some(hearsay),
            "bytes": bytes,
            "signer": key.public_key().to_string(),
            "origin": report.log.to_string(),
        }));
    } else {
        output::line(&format!(
            "{} of {} in {}, {}; signed by {}",
            count(memories),
            chosen(&args.choice, hops),
            args.out.display(),
            size(bytes),
            key.public_key(),
        ));
        if superseded > 0 {
            output::line(&format!(
                "{} left out: what replaced them is not among what goes",
                count(superseded)
            ));
        }
        if hearsay > 0 {
            output::line(&format!(
                "{} left out: the log of which they tell says it here itself, or another one told \
                 of it before",
                count(hearsay)
            ));
        }
    }
    Ok(Code::Ok)
}

/// What was chosen, for a person: of agents' memories what any option chooses, of those for which
/// somebody answers what all options choose.
fn chosen(choice: &Choice, hops: u32) -> String {
    let Choice { agent, label, writer, fact, around, subject, key, owner, kind } = choice;
    let hops = format!("within {hops} of ");
    let any = [
        (agent, ""),
        (label, "all "),
        (writer, "what was written by "),
        (fact, "all "),
        (around, hops.as_str()),
    ];
    let of_kind: Vec<_> = kind.iter().map(|kind| MemoKind::from(*kind).name().to_owned()).collect();
    let all = [(&of_kind, "kind "), (subject, "subject "), (key, "key "), (owner, "owner ")];
    let any =
        any.iter().flat_map(|(names, word)| names.iter().map(move |name| format!("{word}{name}")));
    let all = all
        .iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, word)| format!("{word}{}", names.join(" or ")));
    match choice.is_governed() {
        true => all.collect::<Vec<_>>().join(" and "),
        false => any.collect::<Vec<_>>().join(", "),
    }
}

/// Who gives memories away for which somebody answers.
fn giver(directory: &KeyDirectory, asked: Option<&str>) -> Result<Principal, CliError> {
    let name = grant::principal(directory, asked)?;
    let public_key = directory.load_principal_public_key(&name)?;
    Ok(Principal { name, public_key })
}

/// Refuses labels and facts that are not there.
fn check_names(reader: &Reader, names: &[String], kind: Kind, what: &str) -> Result<(), CliError> {
    let known = reader.names(kind)?;
    match names.iter().find(|name| !known.contains(name)) {
        Some(name) => Err(unknown(what, name, known.iter().map(String::as_str))),
        None => Ok(()),
    }
}

/// The agent of a name.
fn agent(reader: &Reader, name: &str) -> Result<AgentId, CliError> {
    let vertices = named(reader, name)?;
    let own = vertices.iter().find_map(|vertex| match (&vertex.vertex, vertex.origin) {
        (Vertex::Agent(agent), None) => Some(*agent),
        _ => None,
    });
    own.ok_or_else(|| {
        CliError::failure(format!(
            "{name} is known from elsewhere only; export it from the log that it comes from"
        ))
    })
}

/// Writes a file that was not there: `write` gets an empty one beside it, for what is not needed
/// afterwards, and the file. Half an engram is of no use to anybody: should it fail, nothing stays.
fn write_new(
    path: &Path,
    write: impl FnOnce(File, &File) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::failure(format!("{}: {error}", path.display()));
    let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| {
        let is_there = error.kind() == std::io::ErrorKind::AlreadyExists;
        let failed = failed(error);
        if is_there { failed.with_hint("choose another file with --out") } else { failed }
    })?;
    let written = spool(path)
        .map_err(failed)
        .and_then(|spool| write(spool, &file))
        .and_then(|()| file.sync_all().map_err(failed));
    written.map_err(|error| match std::fs::remove_file(path) {
        Ok(()) => error,
        Err(_) => error.with_hint("what is there is not whole; remove it"),
    })
}

/// The error, with the file where it is the disk that refused.
fn unwritten(error: TransplantError, path: &Path) -> CliError {
    match error {
        TransplantError::Engram(EngramError::Unreadable { why, .. }) => {
            CliError::failure(format!("{}: {why}", path.display()))
        }
        other => other.into(),
    }
}
