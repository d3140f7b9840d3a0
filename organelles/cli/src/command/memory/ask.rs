//! The questions: get, history, neighbours, count, list.

use std::path::Path;

use karyon_colony::names::nearest;
use karyon_graph::{At, EntityId, Graph, GraphError, Kind, Reader, Version, VertexInfo, View};
use karyon_memory::{Item, Journal, Moment, is_without_log};
use karyon_types::{Position, Tick};
use serde_json::{Value as Json, json};

use super::show;
use crate::args::{Count, Direction, Form, Get, History, List, Looking, Neighbours};
use crate::error::{CliError, Code, words};
use crate::output::{self, put};
use crate::progress;

/// Names that are suggested for one that is not there.
const SUGGESTIONS: usize = 3;

/// Opens the memory of a data directory, brought up to its log.
pub(crate) fn open(data: &Path) -> Result<Graph, CliError> {
    if !data.is_dir() {
        return Err(CliError::failure(format!("there is no data directory {}", data.display())));
    }
    let spinner = progress::reading();
    let opened = karyon_memory::open(data, &mut |records| spinner.set(records));
    drop(spinner);
    let opened = opened.map_err(|error| unrecorded(data, error))?;
    if let Some(why) = opened.unkept {
        output::note(&format!("{why}: the memory was built in memory and is not kept"));
    }
    if let Some(why) = opened.caught_up.and_then(|caught_up| caught_up.rebuilt) {
        output::note(&format!("note: the memory was built anew from the log: {why}"));
    }
    Ok(opened.graph)
}

/// The error, or that there is nothing to read.
pub(super) fn unrecorded(data: &Path, error: GraphError) -> CliError {
    match is_without_log(&error) {
        true => CliError::failure(format!("nothing was recorded in {}", data.display())),
        false => error.into(),
    }
}

/// A memory, and as of when it is asked.
pub(crate) struct Asking {
    pub(crate) reader: Reader,
    pub(crate) view: View,
    /// The question's moment, for the JSON answer.
    about: Json,
}

impl Asking {
    pub(crate) fn new(looking: &Looking) -> Result<Asking, CliError> {
        let graph = open(&looking.data)?;
        let (view, about) = view(looking)?;
        Ok(Asking { reader: graph.read()?, view, about })
    }

    fn items(
        &self,
        versions: impl IntoIterator<Item = (EntityId, Version)>,
    ) -> Result<Vec<Item>, CliError> {
        versions
            .into_iter()
            .map(|(entity, version)| Ok(Item::read(&self.reader, &entity, version)?))
            .collect()
    }

    fn about(&self, fields: &[(&str, Json)]) -> Json {
        let mut about = self.about.clone();
        for (name, value) in fields {
            put(&mut about, name, value.clone());
        }
        about
    }

    /// The edges, of whatever type, from one name to another.
    fn edges(&self, from: &str, to: &str) -> Result<Vec<EntityId>, CliError> {
        let (starts, ends) = (named(&self.reader, from)?, named(&self.reader, to)?);
        let mut edges = Vec::new();
        for start in &starts {
            for kind in self.reader.names(Kind::Edge)? {
                for end in ends.iter().filter(|end| end.origin == start.origin) {
                    let (from, to) = (start.id, end.id);
                    edges.push(EntityId::Edge { from, kind: kind.clone(), to });
                }
            }
        }
        Ok(edges)
    }

    /// What is meant by one name or two: a vertex with its facts, or edges.
    fn meant(&self, id: &str, to: Option<&str>) -> Result<Vec<EntityId>, CliError> {
        if let Some(to) = to {
            return self.edges(id, to);
        }
        let mut meant = Vec::new();
        for vertex in named(&self.reader, id)? {
            meant.push(EntityId::Vertex(vertex.id));
            for predicate in self.reader.names(Kind::Fact)? {
                meant.push(EntityId::Fact { subject: vertex.id, predicate });
            }
        }
        Ok(meant)
    }
}

/// The vertices of a name, the own ones first.
pub(crate) fn named(reader: &Reader, name: &str) -> Result<Vec<VertexInfo>, CliError> {
    let found = reader.vertices_named(name)?;
    if found.is_empty() {
        return Err(unknown("agent", name, all_names(reader)?.iter().map(String::as_str)));
    }
    Ok(found)
}

/// The names of all vertices.
pub(crate) fn all_names(reader: &Reader) -> Result<Vec<String>, CliError> {
    let mut names = Vec::new();
    reader.vertex_names(&mut |name| names.push(name.to_owned()))?;
    Ok(names)
}

/// The error for a name that is not there.
fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> CliError {
    let near = nearest(name, known, SUGGESTIONS);
    let error = CliError::failure(format!("there is no {what} called \"{name}\" in this memory"));
    match near[..] {
        [] => error,
        _ => {
            let quoted: Vec<_> = near.iter().map(|name| format!("\"{name}\"")).collect();
            error.with_hint(format!("nearest names: {}", quoted.join(", ")))
        }
    }
}

/// What the options ask for, and how that is told to a machine: as it was understood.
fn view(looking: &Looking) -> Result<(View, Json), CliError> {
    let mut view = View::NOW;
    if let Some(position) = &looking.as_recorded {
        view.as_recorded = Some(position_of(position, &looking.data)?);
    }
    match looking.at.as_deref().map(|text| moment(text, "--at")).transpose()? {
        None => {}
        Some(Moment::Time(time)) => view.at = At::Moment(time),
        Some(Moment::Tick(_)) if view.as_recorded.is_some() => {
            return Err(CliError::failure(
                "--at: a tick is a place in the record, and --as-recorded names one already",
            ));
        }
        Some(Moment::Tick(tick)) => view.as_recorded = Some(end_of_tick(tick, &looking.data)?),
    }
    if let Some([first, last]) = looking.between.as_deref() {
        let time = |text: &str| match moment(text, "--between")? {
            Moment::Time(time) => Ok(time),
            Moment::Tick(_) => Err(CliError::failure(
                "--between: ticks are places in the record, not times; use --as-recorded tick:N",
            )),
        };
        let (from, to) = (time(first)?, time(last)?);
        if to < from {
            return Err(CliError::failure(format!("--between: {first} comes after {last}"))
                .with_hint("the earlier moment comes first"));
        }
        view.at = At::Between(from, to);
    }
    let (at, between) = match view.at {
        At::Now => (Json::Null, Json::Null),
        At::Moment(time) => (show::moment(time), Json::Null),
        At::Between(from, to) => (Json::Null, json!([show::moment(from), show::moment(to)])),
    };
    let as_recorded = view.as_recorded.map(|position| position.0);
    Ok((view, json!({ "at": at, "between": between, "as_recorded": as_recorded })))
}

/// A moment, or an error that names the option.
pub(crate) fn moment(text: &str, option: &str) -> Result<Moment, CliError> {
    text.parse().map_err(|error| CliError::failure(format!("{option}: {}", words(&error))))
}

fn position_of(text: &str, data: &Path) -> Result<Position, CliError> {
    if let Some(tick) = text.strip_prefix("tick:").and_then(|tick| tick.parse().ok()) {
        return end_of_tick(Tick(tick), data);
    }
    let Ok(number) = text.strip_prefix('#').unwrap_or(text).parse() else {
        return Err(CliError::failure(format!(
            "--as-recorded: \"{text}\" is no place in the record: expected a record ('#1234' or \
             1234) or the end of a tick (tick:120)"
        )));
    };
    let end = Journal::of(data, &mut |_| ())?.end().0;
    if number >= end {
        return Err(CliError::failure(format!("--as-recorded: there is no record #{number}"))
            .with_hint(format!("the records are #0 to #{}", end.saturating_sub(1))));
    }
    Ok(Position(number))
}

/// The last record of a tick.
fn end_of_tick(tick: Tick, data: &Path) -> Result<Position, CliError> {
    let journal = Journal::of(data, &mut |_| ())?;
    match journal.last_tick() {
        Some(last) if tick <= last => Ok(journal.end_of_tick(tick)?),
        Some(last) => Err(CliError::failure(format!("there is no {tick}"))
            .with_hint(format!("the last one is {last}: leave the option out to ask for the end"))),
        None => Err(CliError::failure("nothing was recorded in any tick")),
    }
}

/// Shows what was found. The memory is let go first: whoever reads the answer may take long.
fn show_versions(
    asking: Asking,
    versions: Vec<(EntityId, Version)>,
    form: &Form,
    fields: &[(&str, Json)],
    none: &str,
) -> Result<Code, CliError> {
    let items = asking.items(versions)?;
    let mut about = asking.about(fields);
    put(&mut about, "count", items.len());
    drop(asking);
    show::items(&items, form, about, none);
    Ok(Code::Ok)
}

/// `karyon memory get`.
pub(crate) fn get(args: &Get) -> Result<Code, CliError> {
    let asking = Asking::new(&args.looking)?;
    let mut versions = Vec::new();
    for entity in asking.meant(&args.id, args.to.as_deref())? {
        if let Some(version) = asking.reader.get(&entity, &asking.view)? {
            versions.push((entity, version));
        }
    }
    let fields = [("id", json!(args.id)), ("to", json!(args.to))];
    let none = format!("nothing is known then of {}", words_of(&args.id, args.to.as_deref()));
    show_versions(asking, versions, &args.form, &fields, &none)
}

/// `karyon memory history`.
pub(crate) fn history(args: &History) -> Result<Code, CliError> {
    let asking = Asking::new(&args.looking)?;
    let mut versions = Vec::new();
    for entity in asking.meant(&args.id, args.to.as_deref())? {
        let history = asking.reader.history(&entity, &asking.view)?;
        versions.extend(history.into_iter().map(|version| (entity.clone(), version)));
    }
    let fields = [("id", json!(args.id)), ("to", json!(args.to))];
    let none = format!("there is no history of {}", words_of(&args.id, args.to.as_deref()));
    show_versions(asking, versions, &args.form, &fields, &none)
}

fn words_of(id: &str, to: Option<&str>) -> String {
    to.map_or(id.to_owned(), |to| format!("an edge from {id} to {to}"))
}

/// `karyon memory neighbours`.
pub(crate) fn neighbours(args: &Neighbours) -> Result<Code, CliError> {
    let asking = Asking::new(&args.looking)?;
    let direction = match args.direction {
        Direction::Out => karyon_graph::Direction::Out,
        Direction::In => karyon_graph::Direction::In,
        Direction::Both => karyon_graph::Direction::Both,
    };
    if let Some(kind) = &args.kind {
        let kinds = asking.reader.names(Kind::Edge)?;
        if !kinds.contains(kind) {
            return Err(unknown("type of edge", kind, kinds.iter().map(String::as_str)));
        }
    }
    let mut versions = Vec::new();
    for vertex in named(&asking.reader, &args.id)? {
        let kind = args.kind.as_deref();
        let found = asking.reader.neighbours(vertex.id, direction, kind, &asking.view)?;
        versions.extend(found.into_iter().map(|neighbour| (neighbour.edge, neighbour.version)));
    }
    let none = format!("{} is connected to nobody then", args.id);
    show_versions(asking, versions, &args.form, &[("id", json!(args.id))], &none)
}

/// What a name names.
fn kind_of(reader: &Reader, what: &str) -> Result<(Kind, &'static str), CliError> {
    let mut all = Vec::new();
    for (kind, word) in [(Kind::Fact, "fact"), (Kind::Edge, "edge"), (Kind::Vertex, "vertex")] {
        let names = reader.names(kind)?;
        if names.iter().any(|name| name == what) {
            return Ok((kind, word));
        }
        all.extend(names);
    }
    let error = unknown("fact, edge or label", what, all.iter().map(String::as_str));
    match error.hint {
        Some(_) => Err(error),
        None => Err(error.with_hint(format!("there are: {}", all.join(", ")))),
    }
}

/// `karyon memory list`.
pub(crate) fn list(args: &List) -> Result<Code, CliError> {
    let asking = Asking::new(&args.looking)?;
    let (kind, word) = kind_of(&asking.reader, &args.what)?;
    let versions = asking.reader.list(kind, &args.what, &asking.view)?;
    let none = format!("there is no {word} called {} then", args.what);
    let fields = [("what", json!(args.what)), ("kind", json!(word))];
    show_versions(asking, versions, &args.form, &fields, &none)
}

/// `karyon memory count`.
pub(crate) fn count(args: &Count) -> Result<Code, CliError> {
    let asking = Asking::new(&args.looking)?;
    let (kind, word) = kind_of(&asking.reader, &args.what)?;
    let count = asking.reader.count(kind, &args.what, &asking.view)?;
    let imported = asking.reader.count_imported(kind, &args.what, &asking.view)?;
    if args.json {
        output::json(&asking.about(&[
            ("what", json!(args.what)),
            ("kind", json!(word)),
            ("count", json!(count)),
            ("imported", json!(imported)),
        ]));
    } else if args.csv {
        output::line("what,kind,count,imported");
        output::line(&format!("{},{word},{count},{imported}", output::csv_field(&args.what)));
    } else {
        output::line(&count.to_string());
        if imported > 0 {
            output::note(&format!("note: and {imported} more that were imported"));
        }
    }
    Ok(Code::Ok)
}
