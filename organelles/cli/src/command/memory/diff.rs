//! `karyon memory diff`: what is different.

use karyon_graph::{At, Change, View};
use karyon_memory::{Item, Moment};
use karyon_types::Position;
use serde_json::{Value as Json, json};

use super::ask::{end_of_tick, ids_named, kind_of, moment, open, position_of};
use super::narrow::{Rest, narrowed, turn};
use super::show;
use crate::args::Diff;
use crate::error::{CliError, Code};
use crate::output;

/// What happened to something: how it was, how it is.
struct Changed {
    before: Option<Item>,
    after: Option<Item>,
}

/// The view that a moment means.
fn view(text: &str, as_recorded: Option<Position>, args: &Diff) -> Result<View, CliError> {
    Ok(match (moment(text, "diff")?, as_recorded) {
        (Moment::Time(time), as_recorded) => View { at: At::Moment(time), as_recorded },
        (Moment::Tick(tick), None) => View::NOW.as_recorded(end_of_tick(tick, &args.data)?),
        (Moment::Tick(_), Some(_)) => {
            return Err(CliError::failure(
                "diff: a tick is a place in the record, and --as-recorded names one already",
            ));
        }
    })
}

/// A view for a machine.
fn about(view: &View) -> Json {
    let at = match view.at {
        At::Moment(time) => show::moment(time),
        At::Now | At::Between(..) => Json::Null,
    };
    json!({ "at": at, "as_recorded": view.as_recorded.map(|position| position.0) })
}

/// `karyon memory diff`.
pub(crate) fn execute(args: &Diff) -> Result<Code, CliError> {
    let graph = open(&args.data)?;
    let as_recorded = args.as_recorded.as_deref().map(|text| position_of(text, &args.data));
    let as_recorded = as_recorded.transpose()?;
    let before = view(&args.first, as_recorded, args)?;
    let after = view(&args.second, as_recorded, args)?;
    let reader = graph.read()?;
    let mut query = reader.ask().with(before).diff_to(after);
    if let Some(id) = &args.of {
        query = ids_named(&reader, id)?.into_iter().fold(query, |query, id| query.of(id));
    }
    if let Some(what) = &args.what {
        query = query.named(kind_of(&reader, what)?.0, what);
    }
    let (found, rest) = turn(
        &args.narrowing,
        &args.form,
        &reader,
        |filters, limit, after| narrowed(query.clone(), filters, limit, after).fetch(),
        |found| {
            let (before, after) = found.change.versions();
            [before, after].into_iter().flatten().map(|version| &version.content).collect()
        },
    )?;
    let mut changed = Vec::with_capacity(found.len());
    for difference in found {
        let item = |version| Item::read(&reader, &difference.entity, version);
        let (before, after) = match difference.change {
            Change::Appeared(after) => (None, Some(after)),
            Change::Ended(before) => (Some(before), None),
            Change::Changed { before, after } => (Some(before), Some(after)),
        };
        let (before, after) = (before.map(item).transpose()?, after.map(item).transpose()?);
        changed.push(Changed { before, after });
    }
    drop((reader, graph));
    let about = json!({
        "of": args.of,
        "what": args.what,
        "before": about(&before),
        "after": about(&after),
        "count": changed.len(),
    });
    show(&changed, args, about, &rest);
    Ok(Code::Ok)
}

impl Changed {
    /// For a machine, for a person, for Graphviz.
    fn words(&self) -> (&'static str, &'static str, &'static str) {
        match (&self.before, &self.after) {
            (None, _) => ("appeared", "+", "green"),
            (Some(_), None) => ("ended", "-", "red"),
            (Some(_), Some(_)) => ("changed", "~", "orange"),
        }
    }

    fn sides(&self) -> impl Iterator<Item = (&'static str, &Item)> {
        let sides = [("before", &self.before), ("after", &self.after)];
        sides.into_iter().filter_map(|(side, item)| Some((side, item.as_ref()?)))
    }

    /// The later of the two.
    fn item(&self) -> Option<&Item> {
        self.after.as_ref().or(self.before.as_ref())
    }

    fn row(&self) -> Vec<String> {
        let (_, sign, _) = self.words();
        let mut row: Vec<String> = self.item().map(show::row).unwrap_or_default();
        if let (Some(before), Some(after), Some(properties)) =
            (&self.before, &self.after, row.get_mut(2))
        {
            let (before, after) = (show::properties_words(before), show::properties_words(after));
            *properties = format!("{before}  =>  {after}");
        }
        row.insert(0, sign.to_owned());
        row
    }
}

fn show(changed: &[Changed], args: &Diff, about: Json, rest: &Rest) {
    if args.form.json {
        let item = |changed: &Changed| {
            json!({
                "change": changed.words().0,
                "before": changed.before.as_ref().map(show::as_json),
                "after": changed.after.as_ref().map(show::as_json),
            })
        };
        return show::json_of(about, changed.iter().map(item).collect(), rest);
    }
    if args.form.csv {
        output::line(&format!("change,side,{}", show::CSV_HEADER));
        for changed in changed {
            for (side, item) in changed.sides() {
                output::line(&format!("{},{side},{}", changed.words().0, show::csv_row(item)));
            }
        }
    } else if args.form.dot {
        output::line("digraph memory {");
        for changed in changed {
            let colour = format!(", color={}", changed.words().2);
            changed
                .item()
                .into_iter()
                .for_each(|item| output::line(&show::dot_line(item, &colour)));
        }
        output::line("}");
    } else if changed.is_empty() {
        output::line("nothing is different");
    } else {
        show::aligned(changed.iter().map(Changed::row).collect());
    }
    rest.note();
}
