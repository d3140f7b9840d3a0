//! Memories on the screen: a table, JSON, CSV, a graph for Graphviz.

use karyon_memory::{Item, Readable, Thing};
pub(crate) use karyon_memory::{
    item_json as as_json, moment_json as moment, value_json, value_map,
};
use karyon_memory_ops::{Time, Value, Vertex};
use serde_json::Value as Json;

use super::narrow::Rest;
use crate::args::Form;
use crate::output::{self, csv_field, put};

/// Shows items in the form that was asked for.
///
/// `about` is what the answer is about, as the fields of the JSON object; `none` is said to people
/// when there is nothing.
pub(super) fn items(items: &[Item], form: &Form, about: Json, none: &str, rest: &Rest) {
    if form.json {
        json_of(about, items.iter().map(as_json).collect(), rest);
    } else if form.csv {
        output::line(CSV_HEADER);
        items.iter().for_each(|item| output::line(&csv_row(item)));
    } else if form.dot {
        dot(items);
    } else if items.is_empty() {
        output::line(none);
    } else {
        aligned(items.iter().map(row).collect());
    }
    if !form.json {
        rest.note();
    }
}

/// One object, with the page behind which there is more.
pub(super) fn json_of(about: Json, items: Vec<Json>, rest: &Rest) {
    let mut answer = about;
    put(&mut answer, "items", items);
    if let Some(next) = &rest.next {
        put(&mut answer, "next", next.to_string());
    }
    output::json(&answer);
}

/// Items hold every vertex by name.
fn vertex_name(vertex: &Vertex) -> String {
    match vertex {
        Vertex::Named(name) => name.clone(),
        Vertex::Agent(agent) => agent.to_string(),
    }
}

/// A value for a person.
pub(crate) fn value_words(value: &Value) -> String {
    match value {
        Value::Time(time) => Readable(*time).to_string(),
        Value::Vertex(vertex) => vertex_name(vertex),
        Value::Text(text) => format!("{text:?}"),
        other => value_json(other).to_string(),
    }
}

pub(crate) fn properties_words(item: &Item) -> String {
    let Some((labels, properties)) = &item.content else { return "is no more".into() };
    let labels = labels.iter().map(|label| format!(":{label}"));
    let properties =
        properties.iter().map(|(name, value)| format!("{name}={}", value_words(value)));
    labels.chain(properties).collect::<Vec<_>>().join("  ")
}

pub(crate) fn thing_words(thing: &Thing) -> String {
    match thing {
        Thing::Vertex { name } => name.clone(),
        Thing::Edge { from, kind, to } => format!("{from} -{kind}-> {to}"),
        Thing::Fact { subject, predicate } => format!("{subject} {predicate}"),
    }
}

pub(crate) fn valid_words(item: &Item) -> String {
    let from = match item.valid.from {
        Time::MIN => "always".into(),
        from => format!("since {}", Readable(from)),
    };
    item.valid.to.map_or(from.clone(), |to| format!("{from} until {}", Readable(to)))
}

/// An item as the cells of a table's line.
pub(super) fn row(item: &Item) -> Vec<String> {
    let from = match item.origin {
        None => format!("#{}", item.position.0),
        Some(log) => {
            format!("#{} of log {log}, imported by #{}", item.recorded.position.0, item.position.0)
        }
    };
    vec![thing_words(&item.thing), valid_words(item), properties_words(item), from]
}

/// Lines whose cells stand below each other.
pub(crate) fn aligned(rows: Vec<Vec<String>>) {
    let mut widths: Vec<usize> = Vec::new();
    for row in &rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let Some((last, cells)) = row.split_last() else { continue };
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        output::line(&(line + last));
    }
}

pub(super) const CSV_HEADER: &str = "kind,subject,predicate,object,valid_from,valid_to,labels,properties,\
                          record,tick,agent,step,output,lease,origin,imported";

pub(super) fn csv_row(item: &Item) -> String {
    let (kind, id, name, to) = match &item.thing {
        Thing::Vertex { name } => ("vertex", name.as_str(), "", ""),
        Thing::Edge { from, kind, to } => ("edge", from.as_str(), kind.as_str(), to.as_str()),
        Thing::Fact { subject, predicate } => ("fact", subject.as_str(), predicate.as_str(), ""),
    };
    let time = |time: Time| match time {
        Time::MIN | Time::MAX => String::new(),
        time => time.to_string(),
    };
    let (labels, properties) = match &item.content {
        None => (String::new(), "ended".into()),
        Some((labels, properties)) => {
            let labels: Vec<_> = labels.iter().map(String::as_str).collect();
            (labels.join(" "), value_map(properties).to_string())
        }
    };
    let recorded = &item.recorded;
    [
        csv_field(kind),
        csv_field(id),
        csv_field(name),
        csv_field(to),
        time(item.valid.from),
        item.valid.to.map_or(String::new(), time),
        csv_field(&labels),
        csv_field(&properties),
        recorded.position.0.to_string(),
        recorded.tick.0.to_string(),
        csv_field(&item.writer),
        recorded.step.to_string(),
        recorded.output.map_or(String::new(), |output| output.to_string()),
        recorded.lease.0.to_string(),
        item.origin.map_or(String::new(), |log| log.to_string()),
        item.origin.map_or(String::new(), |_| item.position.0.to_string()),
    ]
    .join(",")
}

/// A text in quotes for Graphviz.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

fn dot(items: &[Item]) {
    output::line("digraph memory {");
    items.iter().for_each(|item| output::line(&dot_line(item, "")));
    output::line("}");
}

/// An item as a statement of Graphviz; `more` are attributes beside its own.
pub(super) fn dot_line(item: &Item, more: &str) -> String {
    let words = quoted(&format!("{}\n{}", properties_words(item), valid_words(item)));
    // What was imported is not the own memory's.
    let foreign = match item.origin {
        Some(log) => format!(", color=grey, tooltip={}", quoted(&format!("of log {log}"))),
        None => String::new(),
    };
    match &item.thing {
        Thing::Vertex { name } if more.is_empty() => format!("  {};", quoted(name)),
        Thing::Vertex { name } => format!("  {} [label={}{more}];", quoted(name), quoted(name)),
        Thing::Edge { from, to, .. } => {
            format!("  {} -> {} [label={words}{foreign}{more}];", quoted(from), quoted(to))
        }
        Thing::Fact { subject, predicate } => {
            let fact = quoted(&format!("{subject} {predicate}"));
            format!(
                "  {fact} [shape=box];\n  {} -> {fact} [style=dashed, label={words}{more}];",
                quoted(subject)
            )
        }
    }
}
