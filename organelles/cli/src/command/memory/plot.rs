//! `karyon memory plot`: an agent's neighbourhood as a picture.

use std::collections::BTreeMap;

use karyon_graph::{At, Direction, EntityId, Kind, VertexId};
use karyon_memory::Readable;
use karyon_memory_ops::Content;
use karyon_plot::{DRAWN_MAX, Picture, Ray, Spot};
use serde_json::json;

use super::ask::{Asking, named};
use crate::args::Plot;
use crate::error::{CliError, Code};
use crate::output;
use crate::picture::{self, Form};

pub(crate) fn execute(args: &Plot) -> Result<Code, CliError> {
    let form = picture::form(&args.out)?;
    let asking = Asking::new(&args.looking)?;
    let reader = &asking.reader;
    let Some(vertex) = named(reader, &args.id)?.into_iter().next() else {
        return Err(CliError::failure(format!("there is nobody called {}", args.id)));
    };
    let spot = |id: VertexId, name: String| -> Result<Spot, CliError> {
        let facts = reader.facts(id, &asking.view)?;
        let knows = facts.iter().any(|(_, fact)| fact.content != Content::Ended);
        Ok(Spot { name, knows })
    };
    let mut rays: BTreeMap<VertexId, (bool, bool)> = BTreeMap::new();
    // Who writes to themselves is no neighbour of theirs.
    for neighbour in reader.neighbours(vertex.id, Direction::Both, None, &asking.view)? {
        let EntityId::Edge { from, to, .. } = neighbour.edge else { continue };
        if from == to {
            continue;
        }
        let (out, inward) = rays.entry(neighbour.other).or_default();
        *out |= from == vertex.id;
        *inward |= to == vertex.id;
    }
    let mut around = Vec::with_capacity(rays.len());
    for (id, (out, inward)) in rays {
        let name = karyon_memory::name_of(reader, id)?;
        around.push(Ray { spot: spot(id, name)?, out, inward });
    }
    let when = match asking.view.at {
        At::Now => "at the end".to_owned(),
        At::Moment(time) => format!("as of {}", Readable(time)),
        At::Between(first, last) => format!("from {} to {}", Readable(first), Readable(last)),
    };
    let when = match asking.view.as_recorded {
        Some(position) => format!("{when}, as recorded up to {position}"),
        None => when,
    };
    let neighbours = around.len();
    let picture = Picture {
        title: format!("{}: {neighbours} neighbours, {when}", args.id),
        centre: spot(vertex.id, args.id.clone())?,
        around,
        facts: reader.names(Kind::Fact)?,
    };
    let drawn = match form {
        Form::Svg => picture.to_svg().map(String::into_bytes),
        Form::Png => picture.to_png(),
    };
    let bytes = drawn.map_err(|error| CliError::failure(error.to_string()))?;
    drop(asking);
    picture::replace(&args.out, &bytes)?;
    if args.json {
        output::json(&json!({ "out": args.out, "id": args.id, "neighbours": neighbours }));
    } else {
        let drawn = neighbours.min(DRAWN_MAX);
        output::line(&format!(
            "{drawn} of {neighbours} neighbours drawn in {}",
            args.out.display()
        ));
    }
    Ok(Code::Ok)
}
