//! The questions: get, history, neighbours, count, list.

use std::path::Path;

use karyon_colony::names::nearest;
use karyon_graph::{
    Ask, At, EntityId, Filter, Graph, GraphError, Kind, Reader, Version, VertexId, VertexInfo,
    View, labelled, other,
};
use karyon_memory::{Item, Journal, Moment, is_without_log};
use karyon_types::{Position, Tick};
use serde_json::{Value as Json, json};

use super::narrow::{Rest, filters, narrowed, turn};
use super::show;
use crate::args::{Count, Edges, Form, Get, History, List, Looking, Neighbours};
use crate::error::{CliError, Code, words};
use crate::output::{self, put};
use crate::progress;

/// Names that are suggested for one that is not there.
pub(super) const SUGGESTIONS: usize = 3;

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
        true => CliError::unrecorded(data),
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

    /// The question, at the moment that is asked about.
    pub(super) fn ask(&self) -> Ask<'_> {
        self.reader.ask().with(self.view)
    }

    pub(super) fn items(
        &self,
        versions: impl IntoIterator<Item = (EntityId, Version)>,
    ) -> Result<Vec<Item>, CliError> {
        versions
            .into_iter()
            .map(|(entity, version)| Ok(Item::read(&self.reader, &entity, version)?))
            .collect()
    }

    pub(super) fn about(&self, fields: &[(&str, Json)]) -> Json {
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

/// The numbers of the vertices of a name, the own ones first.
pub(super) fn ids_named(reader: &Reader, name: &str) -> Result<Vec<VertexId>, CliError> {
    Ok(named(reader, name)?.into_iter().map(|vertex| vertex.id).collect())
}

/// The names of all vertices.
pub(crate) fn all_names(reader: &Reader) -> Result<Vec<String>, CliError> {
    let mut names = Vec::new();
    reader.vertex_names(&mut |name| names.push(name.to_owned()))?;
    Ok(names)
}

/// The error for a name that is not there.
pub(crate) fn unknown<'a>(
    what: &str,
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> CliError {
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

pub(super) fn position_of(text: &str, data: &Path) -> Result<Position, CliError> {
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
pub(super) fn end_of_tick(tick: Tick, data: &Path) -> Result<Position, CliError> {
    let journal = Journal::of(data, &mut |_| ())?;
    match journal.last_tick() {
        Some(last) if tick <= last => Ok(journal.end_of_tick(tick)?),
        Some(last) => Err(CliError::failure(format!("there is no {tick}"))
            .with_hint(format!("the last one is {last}: leave the option out to ask for the end"))),
        None => Err(CliError::failure("nothing was recorded in any tick")
            .with_hint("name a record instead: '#N'")),
    }
}

/// Shows what was found. The memory is let go first: whoever reads the answer may take long.
fn show_versions(
    asking: Asking,
    (versions, rest): (Vec<(EntityId, Version)>, Rest),
    form: &Form,
    fields: &[(&str, Json)],
    none: &str,
) -> Result<Code, CliError> {
    let items = asking.items(versions)?;
    let mut about = asking.about(fields);
    put(&mut about, "count", items.len());
    drop(asking);
    show::items(&items, form, about, none, &rest);
    Ok(Code::Ok)
}

/// `karyon memory get`.
pub(crate) fn get(args: &Get) -> Result<Code, CliError> {
    let asking = Asking::new(&args.looking)?;
    let query = asking.ask().get_all(&asking.meant(&args.id, args.to.as_deref())?);
    let found = turn(
        &args.narrowing,
        &args.form,
        &asking.reader,
        |filters, limit, after| narrowed(query.clone(), filters, limit, after).fetch(),
        |(_, version)| vec![&version.content],
    )?;
    let fields = [("id", json!(args.id)), ("to", json!(args.to))];
    let none = format!("nothing is known then of {}", words_of(&args.id, args.to.as_deref()));
    show_versions(asking, found, &args.form, &fields, &none)
}

/// `karyon memory history`.
pub(crate) fn history(args: &History) -> Result<Code, CliError> {
    let asking = Asking::new(&args.looking)?;
    let query = asking.ask().histories(&asking.meant(&args.id, args.to.as_deref())?);
    let found = turn(
        &args.narrowing,
        &args.form,
        &asking.reader,
        |filters, limit, after| narrowed(query.clone(), filters, limit, after).fetch(),
        |(_, version)| vec![&version.content],
    )?;
    let fields = [("id", json!(args.id)), ("to", json!(args.to))];
    let none = format!("there is no history of {}", words_of(&args.id, args.to.as_deref()));
    show_versions(asking, found, &args.form, &fields, &none)
}

fn words_of(id: &str, to: Option<&str>) -> String {
    to.map_or(id.to_owned(), |to| format!("an edge from {id} to {to}"))
}

/// A query along the edges that are meant.
macro_rules! along {
    ($query:expr, $direction:expr, $edges:expr) => {{
        let query = match $direction {
            crate::args::Direction::Out => $query.outgoing(),
            crate::args::Direction::In => $query.incoming(),
            crate::args::Direction::Both => $query.both(),
        };
        match &$edges.kind {
            Some(kind) => query.of_type(kind),
            None => query,
        }
    }};
}
pub(super) use along;

/// Refuses types and labels that are not there.
pub(super) fn check_edges(reader: &Reader, edges: &Edges) -> Result<(), CliError> {
    for (name, kind, what) in
        [(&edges.kind, Kind::Edge, "type of edge"), (&edges.label, Kind::Vertex, "label")]
    {
        let Some(name) = name else { continue };
        let names = reader.names(kind)?;
        if !names.contains(name) {
            return Err(unknown(what, name, names.iter().map(String::as_str)));
        }
    }
    Ok(())
}

/// Only edges that lead to something with this label.
pub(super) fn to_label(edges: &Edges) -> Option<Filter> {
    edges.label.as_deref().map(|label| other(labelled(label)))
}

/// `karyon memory neighbours`.
pub(crate) fn neighbours(args: &Neighbours) -> Result<Code, CliError> {
    let asking = Asking::new(&args.looking)?;
    check_edges(&asking.reader, &args.edges)?;
    let of = ids_named(&asking.reader, &args.id)?;
    let query = along!(asking.ask().neighbours_of(&of), args.direction, args.edges);
    let query = to_label(&args.edges).into_iter().fold(query, |query, label| query.filter(label));
    let (found, rest) = turn(
        &args.narrowing,
        &args.form,
        &asking.reader,
        |filters, limit, after| narrowed(query.clone(), filters, limit, after).fetch(),
        |neighbour| vec![&neighbour.version.content],
    )?;
    let edges = found.into_iter().map(|neighbour| (neighbour.edge, neighbour.version)).collect();
    let none = format!("{} is connected to nobody then", args.id);
    show_versions(asking, (edges, rest), &args.form, &[("id", json!(args.id))], &none)
}

/// What a name names.
pub(super) fn kind_of(reader: &Reader, what: &str) -> Result<(Kind, &'static str), CliError> {
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
    let query = asking.ask().list(kind, &args.what);
    let found = turn(
        &args.narrowing,
        &args.form,
        &asking.reader,
        |filters, limit, after| narrowed(query.clone(), filters, limit, after).fetch(),
        |(_, version)| vec![&version.content],
    )?;
    let none = format!("there is no {word} called {} then", args.what);
    let fields = [("what", json!(args.what)), ("kind", json!(word))];
    show_versions(asking, found, &args.form, &fields, &none)
}

/// `karyon memory count`.
pub(crate) fn count(args: &Count) -> Result<Code, CliError> {
    let asking = Asking::new(&args.looking)?;
    let (kind, word) = kind_of(&asking.reader, &args.what)?;
    let filters = filters(&asking.reader, &args.conditions)?;
    let count = narrowed(asking.ask().list(kind, &args.what), &filters, None, None).count()?;
    let imported = match filters[..] {
        [] => Some(asking.reader.count_imported(kind, &args.what, &asking.view)?),
        _ => None,
    };
    if args.json {
        output::json(&asking.about(&[
            ("what", json!(args.what)),
            ("kind", json!(word)),
            ("count", json!(count)),
            ("imported", json!(imported)),
        ]));
    } else if args.csv {
        output::line("what,kind,count,imported");
        let imported = imported.map_or(String::new(), |imported| imported.to_string());
        output::line(&format!("{},{word},{count},{imported}", output::csv_field(&args.what)));
    } else {
        output::line(&count.to_string());
        if let Some(imported) = imported.filter(|imported| *imported > 0) {
            output::note(&format!("note: and {imported} more that were imported"));
        }
    }
    Ok(Code::Ok)
}
