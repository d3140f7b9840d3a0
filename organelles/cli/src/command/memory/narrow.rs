//! Which of an answer is shown: conditions, limits, pages.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;

use karyon_colony::names::nearest;
use karyon_graph::{Comparison, Filter, GraphError, Page, PageToken, Query, Reader, property};
use karyon_memory::Moment;
use karyon_memory_ops::{Content, Value};

use super::ask::SUGGESTIONS;
use crate::args::{Form, Narrowing};
use crate::error::{CliError, words};
use crate::output::{self, thousands};

/// Lines of a table on a terminal, unless a limit says otherwise: a few screens, which can be
/// scrolled back. What a program reads is never cut unasked.
const TERMINAL_LINES: usize = 100;

/// What is left of an answer.
#[derive(Default)]
pub(super) struct Rest {
    /// The page to ask behind; `None`: nothing is left.
    pub(super) next: Option<PageToken>,
    /// How many there are, where that was asked for nobody's sake but the reader's.
    more: Option<usize>,
}

impl Rest {
    /// Tells a person.
    pub(super) fn note(&self) {
        let Some(next) = &self.next else { return };
        output::note(&match self.more {
            Some(more) => format!(
                "note: {} more: --limit N shows more, --after {next} goes on",
                thousands(more as u64)
            ),
            None => format!("note: there is more: --after {next} goes on"),
        });
    }
}

/// The part of an answer that is to be shown. `fetch` answers with these filters, this limit,
/// behind this page; `contents` tells what a filter looks at, for whoever misspelled a property.
pub(super) fn turn<T>(
    narrowing: &Narrowing,
    form: &Form,
    reader: &Reader,
    fetch: impl Fn(&[Filter], Option<usize>, Option<&PageToken>) -> Result<Page<T>, GraphError>,
    contents: impl Fn(&T) -> Vec<&Content>,
) -> Result<(Vec<T>, Rest), CliError> {
    let filters = filters(reader, &narrowing.conditions)?;
    let after = narrowing.after.as_deref().map(page).transpose()?;
    let is_table = !form.json && !form.csv && !form.dot;
    let usual = (is_table && std::io::stdout().is_terminal()).then_some(TERMINAL_LINES);
    let limit = narrowing.limit.map(Into::into).or(usual);
    let Page { items, next } = fetch(&filters, limit, after.as_ref())?;
    let more = match &next {
        Some(next) if narrowing.limit.is_none() => {
            Some(fetch(&filters, None, Some(next))?.items.len())
        }
        Some(_) | None => None,
    };
    if items.is_empty() && !filters.is_empty() && after.is_none() {
        let all = fetch(&[], None, None)?.items;
        doubt(&narrowing.conditions, all.iter().flat_map(contents));
    }
    Ok((items, Rest { next, more }))
}

/// A query with what narrows it.
pub(super) fn narrowed<'r, Q>(
    query: Query<'r, Q>,
    filters: &[Filter],
    limit: Option<usize>,
    after: Option<&PageToken>,
) -> Query<'r, Q> {
    let query = filters.iter().fold(query, |query, filter| query.filter(filter.clone()));
    let query = match limit {
        Some(limit) => query.limit(limit),
        None => query,
    };
    match after {
        Some(after) => query.after(after),
        None => query,
    }
}

fn page(text: &str) -> Result<PageToken, CliError> {
    text.parse().map_err(|error| CliError::failure(format!("--after: {}", words(&error))))
}

/// The filters that conditions mean in a memory.
pub(super) fn filters(reader: &Reader, conditions: &[String]) -> Result<Vec<Filter>, CliError> {
    conditions.iter().map(|condition| filter(reader, condition)).collect()
}

fn filter(reader: &Reader, condition: &str) -> Result<Filter, CliError> {
    let parts = Condition::read(condition).ok_or_else(|| {
        CliError::failure(format!(
            "--where: \"{condition}\" is no condition: expected a property ('count'), '!' and a \
             property, or a property, one of =, !=, <, <=, >, >=, and a value ('count>=3')"
        ))
    })?;
    let property = property(parts.property);
    Ok(match parts.is {
        Is::There => property.has(),
        Is::NotThere => !property.has(),
        Is::So(Comparison::Eq, value) => equal(reader, parts.property, value)?,
        Is::So(Comparison::Ne, value) => {
            let equal = equal(reader, parts.property, value)?;
            property.has().and(!equal)
        }
        Is::So(is, value) => {
            let values = readings(value).into_iter();
            Filter::Any(values.map(|value| property.clone().is(is, value)).collect())
        }
    })
}

/// A property that equals a value, whatever type it is of.
fn equal(reader: &Reader, name: &str, value: &str) -> Result<Filter, CliError> {
    let is = |value: Value| property(name).eq(value);
    let mut any: Vec<Filter> = readings(value).into_iter().map(is).collect();
    // An agent's number means another one in another log.
    for vertex in reader.vertices_named(unquoted(value).unwrap_or(value))? {
        any.push(Filter::From(vertex.origin).and(is(Value::Vertex(vertex.vertex))));
    }
    Ok(Filter::Any(any))
}

fn unquoted(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"')
}

/// What a text can mean, beside a name.
fn readings(value: &str) -> Vec<Value> {
    if let Some(text) = unquoted(value) {
        return vec![text.into()];
    }
    let mut values = vec![Value::from(value)];
    match (value.parse::<i64>(), value.parse::<f64>()) {
        (Ok(int), _) => values.push(int.into()),
        (Err(_), Ok(float)) if float.is_finite() => values.push(float.into()),
        (Err(_), Ok(_) | Err(_)) => {}
    }
    if let Ok(Moment::Time(time)) = value.parse() {
        values.push(time.into());
    }
    match value {
        "true" => values.push(true.into()),
        "false" => values.push(false.into()),
        "null" => values.push(Value::Null),
        _ => {}
    }
    values
}

/// A condition, taken apart.
struct Condition<'a> {
    property: &'a str,
    is: Is<'a>,
}

enum Is<'a> {
    There,
    NotThere,
    So(Comparison, &'a str),
}

impl<'a> Condition<'a> {
    fn read(text: &'a str) -> Option<Condition<'a>> {
        use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
        /// The longer ones before those with which they begin.
        const SIGNS: [(&str, Comparison); 7] =
            [("!=", Ne), ("<=", Le), (">=", Ge), ("==", Eq), ("=", Eq), ("<", Lt), (">", Gt)];
        let text = text.trim();
        let (not, rest) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest.trim()));
        let (property, is) = match rest.find(['=', '<', '>', '!']) {
            None if not => (rest, Is::NotThere),
            None => (rest, Is::There),
            Some(_) if not => return None,
            Some(at) => {
                let (property, rest) = rest.split_at_checked(at)?;
                let (value, is) =
                    SIGNS.iter().find_map(|(sign, is)| Some((rest.strip_prefix(sign)?, *is)))?;
                (property.trim(), Is::So(is, Some(value.trim()).filter(|value| !value.is_empty())?))
            }
        };
        (!property.is_empty()).then_some(Condition { property, is })
    }
}

/// Tells whoever asked for a property that nothing has, or for a value of another type than all
/// that has it.
fn doubt<'a>(conditions: &[String], contents: impl Iterator<Item = &'a Content>) {
    let mut known = BTreeMap::<&str, BTreeSet<&str>>::new();
    for content in contents {
        if let Content::Present { properties, .. } = content {
            for (name, value) in properties {
                known.entry(name).or_default().insert(type_of(value));
            }
        }
    }
    if known.is_empty() {
        return;
    }
    for condition in conditions.iter().filter_map(|condition| Condition::read(condition)) {
        let property = condition.property;
        let Some(types) = known.get(property) else {
            let near = nearest(property, known.keys().copied(), SUGGESTIONS);
            let (word, names) = match near[..] {
                [] => ("there are", known.keys().copied().take(SUGGESTIONS * 3).collect()),
                _ => ("nearest names", near),
            };
            let names = names.join(", ");
            output::note(&format!(
                "note: nothing here has a property \"{property}\"; {word}: {names}"
            ));
            continue;
        };
        let Is::So(_, value) = condition.is else { continue };
        let fits = |value: Value| types.iter().any(|name| comparable(name, type_of(&value)));
        if !types.contains("vertex") && !readings(value).into_iter().any(fits) {
            let types = types.iter().copied().collect::<Vec<_>>().join(" or ");
            output::note(&format!(
                "note: \"{property}\" is of type {types} wherever it is here, and {value} is none"
            ));
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::Text(_) => "text",
        Value::Bytes(_) => "bytes",
        Value::Time(_) => "time",
        Value::Vertex(_) => "vertex",
        Value::List(_) => "list",
        Value::Map(_) => "map",
    }
}

/// Whether values of these types have an order: numbers among each other, else equal types.
fn comparable(one: &str, other: &str) -> bool {
    let is_number = |name| ["int", "float"].contains(&name);
    one == other || (is_number(one) && is_number(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_taken_apart() {
        let read = |text: &'static str| {
            Condition::read(text).map(|condition| {
                let is = match condition.is {
                    Is::There => "there".to_owned(),
                    Is::NotThere => "not there".to_owned(),
                    Is::So(is, value) => format!("{is:?} {value}"),
                };
                (condition.property, is)
            })
        };
        for (text, property, is) in [
            ("count", "count", "there"),
            ("!count", "count", "not there"),
            ("count=3", "count", "Eq 3"),
            ("count==3", "count", "Eq 3"),
            ("count != 3", "count", "Ne 3"),
            ("count<3", "count", "Lt 3"),
            ("count<=3", "count", "Le 3"),
            (" count > 3 ", "count", "Gt 3"),
            ("count>=-3", "count", "Ge -3"),
            ("full name=ada > bob", "full name", "Eq ada > bob"),
            ("from=\"\"", "from", "Eq \"\""),
        ] {
            assert_eq!(read(text), Some((property, is.to_owned())), "{text}");
        }
        for text in ["", "!", "=3", "count=", "count>=", "!count=3", "count!3", " < 3", "count!"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_value_is_whatever_it_can_be_read_as() {
        let time = |units| Value::Time(karyon_memory_ops::Time::new(units, 0).unwrap());
        for (text, also) in [
            ("ada", vec![]),
            ("3", vec![Value::Int(3), time(3)]),
            ("-0.5", vec![Value::Float(-0.5), "-0.5".parse().map(Value::Time).unwrap()]),
            ("2004-04-15", vec![time(1_081_987_200)]),
            ("tick:3", vec![]),
            ("inf", vec![]),
            ("true", vec![Value::Bool(true)]),
            ("null", vec![Value::Null]),
        ] {
            let expected: Vec<_> = [Value::from(text)].into_iter().chain(also).collect();
            assert_eq!(readings(text), expected, "{text}");
        }
        assert_eq!(readings("\"3\""), [Value::from("3")]);
    }
}
