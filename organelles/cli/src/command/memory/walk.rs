//! Questions along edges: khop, paths.

use karyon_graph::{Cut, Hop, Path};
use karyon_memory::{Item, name_of};
use serde_json::{Value as Json, json};

use super::ask::{Asking, along, check_edges, ids_named, named, to_label};
use super::narrow::{Rest, filters, narrowed, turn};
use super::show;
use crate::args::{Khop, Paths};
use crate::error::{CliError, Code};
use crate::output::{self, csv_field, put, thousands};

/// A vertex that is near, and the edge that leads to it.
struct Near {
    name: String,
    distance: u32,
    by: Item,
}

/// What is left out, for a machine.
fn cut_json(cut: Option<Cut>) -> Json {
    match cut {
        None => Json::Null,
        Some(Cut::Vertices(max)) => json!({ "vertices": max }),
        Some(Cut::Edges(max)) => json!({ "edges": max }),
        Some(Cut::Paths(max)) => json!({ "paths": max }),
    }
}

/// What is left out, for a person.
fn note_cut(cut: Option<Cut>) {
    let words = |max: usize| thousands(max as u64);
    output::note(&match cut {
        None => return,
        Some(Cut::Vertices(max)) => {
            format!("note: there are more: {} were looked for (--max-vertices)", words(max))
        }
        Some(Cut::Edges(max)) => format!(
            "note: there may be more: {} edges were looked at; ask for fewer edges (--type, \
             --where, --direction) or not as far",
            words(max)
        ),
        Some(Cut::Paths(max)) => {
            format!("note: there are more than {}: --limit N shows more", words(max))
        }
    });
}

/// `karyon memory khop`.
pub(crate) fn khop(args: &Khop) -> Result<Code, CliError> {
    let asking = Asking::new(&args.looking)?;
    check_edges(&asking.reader, &args.edges)?;
    let from = ids_named(&asking.reader, &args.id)?;
    let query = along!(asking.ask().khop_of(&from, args.hops), args.direction, args.edges)
        .max_vertices(args.max_vertices);
    let query = to_label(&args.edges).into_iter().fold(query, |query, label| query.filter(label));
    let cut = std::cell::Cell::new(None);
    let (hops, rest) = turn(
        &args.narrowing,
        &args.form,
        &asking.reader,
        |filters, limit, after| {
            let hops = narrowed(query.clone(), filters, limit, after).fetch()?;
            cut.set(hops.cut);
            Ok(hops.page)
        },
        |hop| vec![&hop.version.content],
    )?;
    let near = |hop: Hop| -> Result<Near, CliError> {
        let name = name_of(&asking.reader, hop.vertex)?;
        let by = Item::read(&asking.reader, &hop.edge, hop.version)?;
        Ok(Near { name, distance: hop.distance, by })
    };
    let near = hops.into_iter().map(near).collect::<Result<Vec<_>, _>>()?;
    let about = asking.about(&[
        ("id", json!(args.id)),
        ("hops", json!(args.hops)),
        ("count", json!(near.len())),
        ("cut", cut_json(cut.get())),
    ]);
    drop(asking);
    show_near(&near, args, about, &rest);
    if !args.form.json {
        note_cut(cut.get());
    }
    Ok(Code::Ok)
}

fn show_near(near: &[Near], args: &Khop, about: Json, rest: &Rest) {
    if args.form.json {
        let item = |near: &Near| json!({ "vertex": near.name, "distance": near.distance, "by": show::as_json(&near.by) });
        return show::json_of(about, near.iter().map(item).collect(), rest);
    }
    if args.form.csv {
        output::line(&format!("distance,vertex,{}", show::CSV_HEADER));
        for Near { name, distance, by } in near {
            output::line(&format!("{distance},{},{}", csv_field(name), show::csv_row(by)));
        }
    } else if args.form.dot {
        output::line("digraph memory {");
        output::line(&format!("  {} [shape=doublecircle];", show::quoted(&args.id)));
        for Near { name, distance, by } in near {
            let words = show::quoted(&format!("{name}\n{distance}"));
            output::line(&format!("  {} [label={words}];", show::quoted(name)));
            output::line(&show::dot_line(by, ""));
        }
        output::line("}");
    } else if near.is_empty() {
        output::line(&format!("{} is connected to nobody then", args.id));
    } else {
        let row = |near: &Near| {
            let edge = show::row(&near.by).into_iter();
            [near.distance.to_string(), near.name.clone()].into_iter().chain(edge).collect()
        };
        show::aligned(near.iter().map(row).collect());
    }
    rest.note();
}

/// A path: where it begins, and each edge with the name to which it leads.
struct Walked {
    from: String,
    steps: Vec<(Item, String)>,
}

/// `karyon memory paths`.
pub(crate) fn paths(args: &Paths) -> Result<Code, CliError> {
    let asking = Asking::new(&args.looking)?;
    let reader = &asking.reader;
    check_edges(reader, &args.edges)?;
    let filters = filters(reader, &args.conditions)?;
    let (starts, ends) = (named(reader, &args.from)?, named(reader, &args.to)?);
    let (mut walked, mut cut) = (Vec::new(), None);
    for start in &starts {
        // Nothing leads from one log's vertices to another's.
        for end in ends.iter().filter(|end| end.origin == start.origin) {
            let left = args.limit.saturating_sub(walked.len());
            let query = along!(asking.ask().paths(start.id, end.id), args.direction, args.edges)
                .max_length(args.max_length);
            let query = if args.time_respecting { query.time_respecting() } else { query };
            let query =
                to_label(&args.edges).into_iter().fold(query, |query, label| query.filter(label));
            let found = narrowed(query, &filters, Some(left), None).fetch()?;
            cut = cut.or(found.cut);
            if found.paths.len() > left {
                cut = Some(Cut::Paths(args.limit));
            }
            for path in found.paths.into_iter().take(left) {
                walked.push(read(&asking, &args.from, path)?);
            }
        }
    }
    let cut = cut.map(|cut| match cut {
        Cut::Paths(_) => Cut::Paths(args.limit),
        other => other,
    });
    let about = asking.about(&[
        ("from", json!(args.from)),
        ("to", json!(args.to)),
        ("count", json!(walked.len())),
        ("cut", cut_json(cut)),
    ]);
    drop(asking);
    show_paths(&walked, args, about);
    if !args.form.json {
        note_cut(cut);
    }
    Ok(Code::Ok)
}

fn read(asking: &Asking, from: &str, path: Path) -> Result<Walked, CliError> {
    let mut steps = Vec::with_capacity(path.steps.len());
    for step in path.steps {
        let name = name_of(&asking.reader, step.other)?;
        steps.push((Item::read(&asking.reader, &step.edge, step.version)?, name));
    }
    Ok(Walked { from: from.to_owned(), steps })
}

impl Walked {
    fn as_json(&self) -> Json {
        let names = [&self.from].into_iter().chain(self.steps.iter().map(|(_, name)| name));
        let mut out = json!({ "length": self.steps.len() });
        put(&mut out, "vertices", names.cloned().collect::<Vec<_>>());
        put(
            &mut out,
            "edges",
            self.steps.iter().map(|(by, _)| show::as_json(by)).collect::<Vec<_>>(),
        );
        out
    }

    /// One line: "ada -contact-> bob <-contact- cyd".
    fn words(&self) -> String {
        let mut words = self.from.clone();
        for (by, name) in &self.steps {
            let (kind, is_forth) = match &by.thing {
                karyon_memory::Thing::Edge { kind, to, .. } => (kind.as_str(), to == name),
                karyon_memory::Thing::Vertex { .. } | karyon_memory::Thing::Fact { .. } => {
                    ("", true)
                }
            };
            words +=
                &if is_forth { format!(" -{kind}-> {name}") } else { format!(" <-{kind}- {name}") };
        }
        words
    }

    /// When its edges began, in the order in which they are taken.
    fn times(&self) -> String {
        let times = self.steps.iter().map(|(by, _)| match by.valid.from {
            karyon_memory_ops::Time::MIN => "always".to_owned(),
            from => from.to_string(),
        });
        times.collect::<Vec<_>>().join(", ")
    }
}

fn show_paths(walked: &[Walked], args: &Paths, about: Json) {
    if args.form.json {
        show::json_of(about, walked.iter().map(Walked::as_json).collect(), &Rest::default());
    } else if args.form.csv {
        output::line(&format!("path,step,vertex,{}", show::CSV_HEADER));
        for (path, walked) in (1..).zip(walked) {
            for (step, (by, name)) in (1..).zip(&walked.steps) {
                output::line(&format!("{path},{step},{},{}", csv_field(name), show::csv_row(by)));
            }
        }
    } else if args.form.dot {
        // An edge on several paths is drawn once.
        let lines: std::collections::BTreeSet<String> = walked
            .iter()
            .flat_map(|walked| walked.steps.iter().map(|(by, _)| show::dot_line(by, "")))
            .collect();
        output::line("digraph memory {");
        for end in [&args.from, &args.to] {
            output::line(&format!("  {} [shape=doublecircle];", show::quoted(end)));
        }
        lines.iter().for_each(|line| output::line(line));
        output::line("}");
    } else if walked.is_empty() {
        output::line(&format!(
            "no path of at most {} edges leads from {} to {} then",
            args.max_length, args.from, args.to
        ));
    } else {
        let row =
            |walked: &Walked| vec![walked.steps.len().to_string(), walked.words(), walked.times()];
        show::aligned(walked.iter().map(row).collect());
    }
}
