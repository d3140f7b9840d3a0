//! `karyon memory plot`: an agent's neighbourhood as a picture.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use karyon_graph::{At, Direction, EntityId, Kind, VertexId};
use karyon_memory::Readable;
use karyon_memory_ops::Content;
use karyon_plot::{DRAWN_MAX, Picture, Ray, Spot};
use serde_json::json;

use super::ask::{Asking, named};
use crate::args::Plot;
use crate::error::{CliError, Code};
use crate::output;

pub(crate) fn execute(args: &Plot) -> Result<Code, CliError> {
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
    let svg = picture.to_svg().map_err(|error| CliError::failure(error.to_string()))?;
    drop(asking);
    replace(&args.out, svg.as_bytes())?;
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

/// Writes a picture, in the place of another if there is one; of anything else it keeps away.
fn replace(out: &Path, svg: &[u8]) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::failure(format!("{}: {error}", out.display()));
    let is_picture = |kind: &std::fs::Metadata| {
        kind.is_file() && out.extension().is_some_and(|extension| extension == "svg")
    };
    match std::fs::symlink_metadata(out) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Ok(there) if is_picture(&there) => {}
        Ok(_) => {
            let what = format!("{} is there, and is no picture", out.display());
            return Err(CliError::failure(what).with_hint("choose another file with --out"));
        }
        Err(error) => return Err(failed(error)),
    }
    // Beside it first: a picture that is there already stays whole if the disk is full.
    let mut new = out.as_os_str().to_owned();
    new.push(format!(".{}.new", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&new).map_err(failed)?;
    let written = file.write_all(svg).and_then(|()| std::fs::rename(&new, out));
    written.map_err(|error| match std::fs::remove_file(&new) {
        Ok(()) => failed(error),
        Err(_) => failed(error).with_hint(format!("remove {}", Path::new(&new).display())),
    })
}
