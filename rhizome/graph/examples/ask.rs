//! Questions to a memory: `cargo run -p karyon-graph --example ask -- FILE FROM TO`, where FILE is
//! `memory/graph.redb` of a data directory and FROM and TO are names in it.
//!
//! ```console
//! $ karyon run rumour --contacts college-msg.txt --source 9 --data runs/messages
//! $ cargo run -p karyon-graph --example ask -- runs/messages/memory/graph.redb 9 32
//! ```

use std::error::Error;
use std::path::Path;

use karyon_graph::{Graph, Kind, Reader, VertexId, property};
use karyon_memory_ops::Time;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, from, to] = args.as_slice() else {
        return Err("give a file and two names: memory/graph.redb 9 32".into());
    };
    let graph = Graph::open_read_only(Path::new(file))?;
    let reader = graph.read()?;
    let (from, to) = (vertex(&reader, from)?, vertex(&reader, to)?);

    // What is true now, as known now; and the same question at another moment.
    let now = reader.ask();
    let may = Time::new(1_083_369_600, 0).ok_or("no moment")?;
    let then = now.at(may);
    println!("{} neighbours now", now.neighbours(from).count()?);
    println!("{} neighbours then", then.neighbours(from).count()?);

    // All edges of a type that say so, twenty at a time.
    for kind in reader.names(Kind::Edge)? {
        let query = now.list(Kind::Edge, &kind).filter(property("count").ge(3)).limit(20);
        let (mut page, mut edges, mut pages) = (query.fetch()?, 0, 1);
        edges += page.items.len();
        while let Some(next) = &page.next {
            page = query.clone().after(next).fetch()?;
            (edges, pages) = (edges + page.items.len(), pages + 1);
        }
        println!("{edges} edges of type {kind} with a count of 3 or more, on {pages} pages");
    }

    let near = now.khop(from, 2).outgoing().fetch()?;
    println!("{} vertices two edges away or nearer", near.page.items.len());

    // How something could have come from one to the other.
    for path in now.paths(from, to).time_respecting().max_length(4).limit(3).fetch()?.paths {
        let times: Vec<String> =
            path.steps.iter().map(|step| step.version.valid.from.to_string()).collect();
        println!("a path of {} edges, at {}", path.steps.len(), times.join(", "));
    }

    let changed = now.diff(may, Time::MAX).of(from).fetch()?;
    println!("{} things about it are different now", changed.items.len());
    Ok(())
}

fn vertex(reader: &Reader, name: &str) -> Result<VertexId, Box<dyn Error>> {
    let found = reader.vertices_named(name)?;
    Ok(found.first().ok_or_else(|| format!("there is nobody called {name}"))?.id)
}
