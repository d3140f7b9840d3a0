//! Arguments of `karyon memory` and `karyon why`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::governed::{Brief, Expire, Forget, Recall, Remember, Supersede};
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use karyon_graph::limits::{HOP_VERTICES_MAX, PATH_EDGES_MAX, PATHS_MAX};

/// How moments are written; shown by each command that takes one.
pub(super) const MOMENTS: &str = "Moments (T) are numbers as in the input (1082040961, 6.5), or dates in UTC \
                       (2004-04-15, 2004-04-15T14:56:01Z) where the input counts seconds since \
                       1970.";

/// What the options that place a question in time mean.
const VIEWS: &str = "A tick is a place in the record: --at tick:120 is --as-recorded tick:120. \
                     Quote records in a shell: --as-recorded '#1234'.";

/// How conditions are written; shown by each command that takes one.
const CONDITIONS: &str = "Conditions (COND), quoted in a shell: 'count' (there is such a \
                          property), '!count' (there is none), 'count=3', 'count!=3', 'count<3', \
                          'count<=3', 'count>3', 'count>=3'. The value is read as what the \
                          property holds: a number, a moment (last>2004-05-01), a name, a text, \
                          true, false or null; in double quotes as a name or a text.";

#[derive(Subcommand)]
pub(crate) enum Memory {
    /// What is known of an agent, or of an edge between two
    Get(Get),
    /// Every version of an agent's facts, or of an edge between two
    History(History),
    /// Who is connected to an agent
    Neighbours(Neighbours),
    /// Who is at most so many edges away from an agent
    Khop(Khop),
    /// How one gets from one agent to another, along edges
    Paths(Paths),
    /// What appeared, ended or changed from one moment to another
    Diff(Diff),
    /// How many facts, edges or agents of a name there are
    Count(Count),
    /// Which facts, edges or agents of a name there are
    List(List),
    /// Draw an agent's neighbourhood as SVG
    Plot(Plot),
    /// Build the memory anew from the log, and compare
    Rebuild(Rebuild),
    /// Record something to be remembered, for which somebody answers
    Remember(Remember),
    /// Record what is to be remembered instead
    Supersede(Supersede),
    /// What somebody recorded to be remembered
    Recall(Recall),
    /// What whoever is new should know
    Brief(Brief),
    /// Erase what is remembered of a subject, for good
    Forget(Forget),
    /// Erase what was to be kept no longer
    Expire(Expire),
}

/// Where to look, and as of when.
#[derive(ClapArgs)]
pub(crate) struct Looking {
    /// The run's data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// As of this moment [default: what holds now]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub(crate) at: Option<String>,
    /// As it was recorded up to this record ('#N' or N) or the end of a tick (tick:N)
    #[arg(long, value_name = "POS")]
    pub(crate) as_recorded: Option<String>,
    /// What held at some moment from T1 to T2, both included
    #[arg(long, value_names = ["T1", "T2"], num_args = 2, conflicts_with = "at", allow_negative_numbers = true)]
    pub(crate) between: Option<Vec<String>>,
}

/// Which of them to show.
#[derive(ClapArgs)]
pub(crate) struct Narrowing {
    /// Only what has such a property; of several conditions all must hold
    #[arg(long = "where", value_name = "COND", allow_hyphen_values = true)]
    pub(crate) conditions: Vec<String>,
    /// At most so many [default: all; 100 of a table on a terminal]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<NonZeroUsize>,
    /// Go on behind the answer that named this page
    #[arg(long, value_name = "PAGE")]
    pub(crate) after: Option<String>,
}

/// Which edges to follow.
#[derive(ClapArgs)]
pub(crate) struct Edges {
    /// Only edges of this type, such as contact
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// Only edges that lead to something with this label, such as person
    #[arg(long, value_name = "LABEL")]
    pub(crate) label: Option<String>,
}

/// In which form to answer.
#[derive(ClapArgs)]
#[group(multiple = false)]
pub(crate) struct Form {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Print comma-separated values with a header
    #[arg(long)]
    pub(crate) csv: bool,
    /// Print a graph for Graphviz
    #[arg(long)]
    pub(crate) dot: bool,
}

#[derive(ClapArgs)]
#[command(after_help = format!("Examples:
  karyon memory get 1276 --data runs/rumour-1
  karyon memory get 6268 1276 --at 2000 --data runs/rumour-1   (the edge from 6268 to 1276)
  karyon memory get 1276 --as-recorded tick:120 --json --data runs/rumour-1

With --between: the last version that held; history shows all of them.

{CONDITIONS}

{MOMENTS} {VIEWS}"))]
pub(crate) struct Get {
    /// Its name
    pub(crate) id: String,
    /// Where the edge ends, if an edge is meant
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) looking: Looking,
    #[command(flatten)]
    pub(crate) narrowing: Narrowing,
    #[command(flatten)]
    pub(crate) form: Form,
}

#[derive(ClapArgs)]
#[command(after_help = format!("Examples:
  karyon memory history 1276 --data runs/rumour-1
  karyon memory history 6268 1276 --data runs/rumour-1   (the edge from 6268 to 1276)
  karyon memory history 6268 1276 --between 1000 2000 --csv --data runs/rumour-1
  karyon memory history 6268 1276 --where 'count>=3' --limit 10 --data runs/rumour-1

A version is shown with the record that brought it; ask `karyon why` about that. With --at: the
versions that had begun by then.

{CONDITIONS}

{MOMENTS} {VIEWS}"))]
pub(crate) struct History {
    /// Its name
    pub(crate) id: String,
    /// Where the edge ends, if an edge is meant
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) looking: Looking,
    #[command(flatten)]
    pub(crate) narrowing: Narrowing,
    #[command(flatten)]
    pub(crate) form: Form,
}

/// Along which edges to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    /// Those that begin here
    Out,
    /// Those that end here
    In,
    /// All of them
    Both,
}

#[derive(ClapArgs)]
#[command(after_help = format!("Examples:
  karyon memory neighbours 1276 --data runs/rumour-1
  karyon memory neighbours 1276 --direction in --at 2000 --data runs/rumour-1
  karyon memory neighbours 1276 --where 'count>=3' --limit 20 --data runs/rumour-1
  karyon memory neighbours 1276 --dot --data runs/rumour-1 | dot -Tsvg -o 1276.svg

First those that begin here, then those that end here. An answer that was cut names a page:
--after PAGE goes on behind it.

{CONDITIONS}

{MOMENTS} {VIEWS}"))]
pub(crate) struct Neighbours {
    /// Its name
    pub(crate) id: String,
    /// Which edges
    #[arg(long, value_enum, default_value = "both")]
    pub(crate) direction: Direction,
    #[command(flatten)]
    pub(crate) edges: Edges,
    #[command(flatten)]
    pub(crate) looking: Looking,
    #[command(flatten)]
    pub(crate) narrowing: Narrowing,
    #[command(flatten)]
    pub(crate) form: Form,
}

#[derive(ClapArgs)]
#[command(after_help = format!("Examples:
  karyon memory khop 1276 2 --data runs/rumour-1
  karyon memory khop 1276 3 --direction out --at 2000 --csv --data runs/rumour-1
  karyon memory khop 1276 2 --dot --data runs/rumour-1 | dot -Tsvg -o around.svg

Each is shown once, with the least number of edges that lead there and the edge by which it was met
first; with --where and --label only along edges that match. Breadth first: should there be more
than --max-vertices, a note says so, and what is shown is nearest.

{CONDITIONS}

{MOMENTS} {VIEWS}"))]
pub(crate) struct Khop {
    /// Its name
    pub(crate) id: String,
    /// How many edges away
    #[arg(value_name = "K")]
    pub(crate) hops: u32,
    /// Along which edges
    #[arg(long, value_enum, default_value = "both")]
    pub(crate) direction: Direction,
    /// Stop looking when so many are found
    #[arg(long, value_name = "N", default_value_t = HOP_VERTICES_MAX)]
    pub(crate) max_vertices: usize,
    #[command(flatten)]
    pub(crate) edges: Edges,
    #[command(flatten)]
    pub(crate) looking: Looking,
    #[command(flatten)]
    pub(crate) narrowing: Narrowing,
    #[command(flatten)]
    pub(crate) form: Form,
}

#[derive(ClapArgs)]
#[command(after_help = format!("Examples:
  karyon memory paths 6268 1276 --data runs/rumour-1
  karyon memory paths 6268 1276 --time-respecting --at 2000 --data runs/rumour-1
  karyon memory paths 6268 1276 --direction both --max-length 4 --json --data runs/rumour-1

The shortest first, none through anybody twice. With --time-respecting: only those along which
something could have been passed on, each edge taken when one of its versions began, none earlier
than the one before. With --where and --label only along edges that match. What takes too long is
ended, and a note says so.

{CONDITIONS}

{MOMENTS} {VIEWS}"))]
pub(crate) struct Paths {
    /// Where to begin
    pub(crate) from: String,
    /// Where to end
    pub(crate) to: String,
    /// Along which edges
    #[arg(long, value_enum, default_value = "out")]
    pub(crate) direction: Direction,
    /// At most so many edges
    #[arg(long, value_name = "N", default_value_t = PATH_EDGES_MAX)]
    pub(crate) max_length: usize,
    /// Only in the order of time
    #[arg(long)]
    pub(crate) time_respecting: bool,
    /// At most so many paths
    #[arg(long, value_name = "N", default_value_t = PATHS_MAX)]
    pub(crate) limit: usize,
    /// Only along edges that have such a property; of several conditions all must hold
    #[arg(long = "where", value_name = "COND", allow_hyphen_values = true)]
    pub(crate) conditions: Vec<String>,
    #[command(flatten)]
    pub(crate) edges: Edges,
    #[command(flatten)]
    pub(crate) looking: Looking,
    #[command(flatten)]
    pub(crate) form: Form,
}

#[derive(ClapArgs)]
#[command(after_help = format!("Examples:
  karyon memory diff 1000 2000 --data runs/rumour-1
  karyon memory diff 2004-04-15 2004-05-01 --of 9 --data runs/messages
  karyon memory diff 1000 2000 --what contact --where 'count>=3' --csv --data runs/rumour-1
  karyon memory diff tick:5 tick:9 --data runs/rumour-1   (what was learned in between)

What holds at T2 against what holds at T1: + appeared, - ended, ~ changed. What was written again
and says the same is no change. Of everything that was not imported, or of an agent (--of), or of
a name (--what). With --where: what matched or matches.

{CONDITIONS}

{MOMENTS} A tick is a place in the record: diff tick:5 tick:9 compares what was known then."))]
pub(crate) struct Diff {
    /// The moment before
    #[arg(value_name = "T1", allow_hyphen_values = true)]
    pub(crate) first: String,
    /// The moment after
    #[arg(value_name = "T2", allow_hyphen_values = true)]
    pub(crate) second: String,
    /// Only of an agent: itself, its facts, its edges
    #[arg(long, value_name = "ID")]
    pub(crate) of: Option<String>,
    /// Only of a kind of fact (heard), a type of edge (contact), or a label (person)
    #[arg(long, value_name = "NAME")]
    pub(crate) what: Option<String>,
    /// The run's data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// As it was recorded up to this record ('#N' or N) or the end of a tick (tick:N)
    #[arg(long, value_name = "POS")]
    pub(crate) as_recorded: Option<String>,
    #[command(flatten)]
    pub(crate) narrowing: Narrowing,
    #[command(flatten)]
    pub(crate) form: Form,
}

#[derive(ClapArgs)]
#[command(after_help = format!("Examples:
  karyon memory count heard --data runs/rumour-1
  karyon memory count heard --at 2000 --data runs/rumour-1
  karyon memory count contact --at 2004-05-01 --json --data runs/messages
  karyon memory count contact --where 'count>=10' --data runs/messages

What was imported is counted apart; with --where it is not counted.

{CONDITIONS}

{MOMENTS} {VIEWS}"))]
pub(crate) struct Count {
    /// A kind of fact (heard), a type of edge (contact), or a label (person)
    pub(crate) what: String,
    #[command(flatten)]
    pub(crate) looking: Looking,
    /// Only what has such a property; of several conditions all must hold
    #[arg(long = "where", value_name = "COND", allow_hyphen_values = true)]
    pub(crate) conditions: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Print comma-separated values with a header
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
}

#[derive(ClapArgs)]
#[command(after_help = format!("Examples:
  karyon memory list heard --at 2000 --data runs/rumour-1   (who knew by then)
  karyon memory list contact --csv --data runs/rumour-1
  karyon memory list person --json --data runs/rumour-1
  karyon memory list contact --where 'count>=10' --limit 50 --data runs/messages

What was imported is not listed. On a terminal a table ends after 100 lines and says how many more
there are; --json, --csv and what goes elsewhere are whole unless --limit says otherwise. An answer
that was cut names a page: --after PAGE goes on behind it.

{CONDITIONS}

{MOMENTS} {VIEWS}"))]
pub(crate) struct List {
    /// A kind of fact (heard), a type of edge (contact), or a label (person)
    pub(crate) what: String,
    #[command(flatten)]
    pub(crate) looking: Looking,
    #[command(flatten)]
    pub(crate) narrowing: Narrowing,
    #[command(flatten)]
    pub(crate) form: Form,
}

#[derive(ClapArgs)]
#[command(after_help = format!("Example:
  karyon memory plot 1276 --at 2000 --out 1276.svg --data runs/rumour-1

{MOMENTS} {VIEWS}"))]
pub(crate) struct Plot {
    /// Its name
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) looking: Looking,
    /// The picture, SVG or PNG by its name; replaced if it is there
    #[arg(long, value_name = "FILE.svg|FILE.png")]
    pub(crate) out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Example:
  karyon memory rebuild --data runs/rumour-1

The memory is a projection of the log: it can be deleted and built again at any time. Prints the
root of the memory as it was and as it is now; they are equal unless the file was damaged.
Refused in safe mode, because it writes.")]
pub(crate) struct Rebuild {
    /// The run's data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon why 1276 --data runs/rumour-1
  karyon why '#205964' --data runs/rumour-1
  karyon why 1276 --dot --data runs/rumour-1 | dot -Tsvg -o why.svg
  karyon why 1276 --consequences --data runs/rumour-1
  karyon why '#3' --consequences --depth 2 --json --data runs/rumour-1

For an agent: how it came to know what it knows, back to whoever knew first. For a record: what
caused it, and what caused that. At the end stand lease, grant, reason and principal, and who
approved.

With --consequences the other way: what came of what an agent knows, or of a record, such as a
grant: what was sent because of it, what was recorded then, and what came of that.")]
pub(crate) struct Why {
    /// An agent's name, or #N for a record
    #[arg(value_name = "REF")]
    pub(crate) reference: String,
    /// The run's data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Print a graph for Graphviz
    #[arg(long, conflicts_with = "json")]
    pub(crate) dot: bool,
    /// What came of it, instead of what caused it
    #[arg(long)]
    pub(crate) consequences: bool,
    /// With --consequences: how many records away
    #[arg(long, value_name = "N", default_value = "10", requires = "consequences")]
    pub(crate) depth: NonZeroUsize,
    /// With --consequences: how many links in all
    #[arg(long, value_name = "N", default_value = "1000", requires = "consequences")]
    pub(crate) limit: NonZeroUsize,
}

impl Memory {
    /// Whether the answer is for a machine.
    pub(super) fn json(&self) -> bool {
        match self {
            Memory::Get(args) => args.form.json,
            Memory::History(args) => args.form.json,
            Memory::Neighbours(args) => args.form.json,
            Memory::Khop(args) => args.form.json,
            Memory::Paths(args) => args.form.json,
            Memory::Diff(args) => args.form.json,
            Memory::Count(args) => args.json,
            Memory::List(args) => args.form.json,
            Memory::Plot(args) => args.json,
            Memory::Rebuild(args) => args.json,
            Memory::Remember(args) => args.telling.json,
            Memory::Supersede(args) => args.telling.json,
            Memory::Recall(args) => args.wanted.json,
            Memory::Brief(args) => args.wanted.json,
            Memory::Forget(args) => args.json,
            Memory::Expire(args) => args.json,
        }
    }
}
