//! The JSON Schema of scenarios, made of what the models declare; for editors, and for whoever writes
//! scenarios by a program. What it cannot say, such as that there are fewer agents than cells, is told
//! by `karyon check`.

use toml::{Table, Value};

use super::simulation::{OF_MODELS, SWEEP_POINTS_MAX};
use super::{Allowed, Known, MODELS, Parameter};
use crate::scenario::{self, MAX_CHANGES};

/// An object of these fields.
pub(crate) fn object<V: Into<Value>>(fields: impl IntoIterator<Item = (&'static str, V)>) -> Table {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// The schema, draft 2020-12, as plain data.
pub fn schema() -> Table {
    let mut all = Vec::from([scenario::rumour_schema()]);
    all.extend(MODELS.iter().map(|known| (known.name, of_model(known))));
    let names: Vec<Value> = all.iter().map(|(name, _)| Value::from(*name)).collect();
    let is_named = |name: &str| {
        let name = object([("const", name)]);
        let mut model = object([("properties", object([("name", name)]))]);
        model.insert("required".into(), vec!["name"].into());
        object([("properties", object([("model", model)]))])
    };
    let cases = all.iter().map(|(name, _)| {
        let then = object([("$ref", format!("#/$defs/{name}"))]);
        Value::from(object([("if", is_named(name)), ("then", then)]))
    });
    let cases: Vec<Value> = cases.collect();
    let mut name = object([("enum", names)]);
    name.insert("description".into(), "Which model.".into());
    let mut model = object([("type", "object")]);
    model.insert("required".into(), vec!["name"].into());
    model.insert("properties".into(), object([("name", name)]).into());
    let mut schema = object([
        ("$schema", "https://json-schema.org/draft/2020-12/schema"),
        ("title", "A scenario of Karyon"),
        ("description", "What `karyon run FILE` runs. Made by `karyon check --schema`."),
        ("type", "object"),
    ]);
    schema.insert("required".into(), vec!["model"].into());
    schema.insert("properties".into(), object([("model", model)]).into());
    schema.insert("allOf".into(), cases.into());
    let common = MODELS.iter().take(1).map(|known| ("common", common(known)));
    let defs = all.into_iter().chain(common).map(|(name, of)| (name.to_owned(), of.into()));
    let defs: Table = defs.collect();
    schema.insert("$defs".into(), defs.into());
    schema
}

/// What a key may be.
pub(crate) fn value(key: &Parameter) -> Table {
    let number = |kind, least: Value, most: Value, most_is: &'static str| {
        object([("type", Value::from(kind)), ("minimum", least), (most_is, most)])
    };
    let whole = |least: u64, most: u64| {
        number("integer", (least as i64).into(), (most as i64).into(), "maximum")
    };
    let list = |items: Table, least: i64, most: usize| {
        object([
            ("type", Value::from("array")),
            ("minItems", least.into()),
            ("maxItems", (most as i64).into()),
            ("items", items.into()),
        ])
    };
    let mut schema = match &key.allowed {
        Allowed::Whole(least, most) => whole(*least, *most),
        Allowed::Real(least, most) => number("number", (*least).into(), (*most).into(), "maximum"),
        Allowed::Below(least, most) => {
            number("number", (*least).into(), (*most).into(), "exclusiveMaximum")
        }
        Allowed::Names(names) => object([("enum", names.to_vec())]),
        Allowed::Wholes(most, least, highest) => list(whole(*least, *highest), 1, *most),
        Allowed::Texts(most) => list(object([("type", "string")]), 0, *most),
        Allowed::Pairs => object([("type", "string")]),
    };
    schema.insert("description".into(), key.meaning.as_ref().into());
    if let Some(default) = &key.default {
        schema.insert("default".into(), default.clone());
    }
    schema
}

/// A section that has these fields and no others.
pub(crate) fn section(fields: Table) -> Table {
    let mut section = object([("type", "object")]);
    section.insert("additionalProperties".into(), false.into());
    section.insert("properties".into(), fields.into());
    section
}

/// The sections of some keys, each with its fields; what stands at the top level as it is.
fn sections(keys: &[Parameter]) -> Table {
    let mut sections = Table::new();
    for key in keys {
        let field = value(key).into();
        let fields = match key.section {
            "" => &mut sections,
            section => {
                let own = sections.entry(section).or_insert_with(|| Value::Table(Table::new()));
                let Value::Table(own) = own else { continue };
                own
            }
        };
        fields.insert(key.name.into(), field);
    }
    sections
}

/// What the scenarios of all models have beside what is a model's own.
fn common(known: &Known) -> Table {
    let keys: Vec<_> =
        known.keys().into_iter().filter(|key| !OF_MODELS.contains(&key.section)).collect();
    let sections = sections(&keys).into_iter().map(|(name, fields)| match fields {
        Value::Table(fields) if name != "seed" => (name, Value::from(section(fields))),
        fields => (name, fields),
    });
    let mut sections: Table = sections.collect();
    let authority = "#/$defs/rumour/properties/authority";
    sections.insert("authority".into(), object([("$ref", authority)]).into());
    object([("properties", sections)])
}

/// The scenarios of a model.
fn of_model(known: &Known) -> Table {
    let keys = known.keys();
    let mut sections = sections(&keys);
    for name in OF_MODELS {
        sections.entry(name).or_insert_with(|| Value::Table(Table::new()));
    }
    let mut properties = Table::new();
    for (name, fields) in sections {
        let Value::Table(mut fields) = fields else { continue };
        if !OF_MODELS.contains(&name.as_str()) {
            let common = format!("#/$defs/common/properties/{name}");
            properties.insert(name, object([("$ref", common)]).into());
            continue;
        }
        if name == "model" {
            fields.insert("name".into(), object([("const", known.name)]).into());
        }
        let mut section = section(fields);
        let networks = networks(&keys);
        if name == "space" && !networks.is_empty() {
            section.insert("dependentSchemas".into(), networks.into());
        }
        properties.insert(name, section.into());
    }
    let seed = object([("$ref", "#/$defs/common/properties/seed")]);
    properties.insert("seed".into(), seed.into());
    let authority = object([("$ref", "#/$defs/common/properties/authority")]);
    properties.insert("authority".into(), authority.into());
    let own: Vec<_> = keys.iter().filter(|key| key.name != "until").collect();
    let of_model = |key: &&&Parameter| OF_MODELS.contains(&key.section);
    let set = pick(
        known,
        own.iter().copied().filter(|key| of_model(&key)),
        "changes/items/properties/set",
        |value| value,
    );
    let mut change = section(object([
        ("at", object([("type", Value::from("integer")), ("minimum", 0.into())])),
        ("set", set),
    ]));
    change.insert("required".into(), vec!["at", "set"].into());
    let changes = object([
        ("type", Value::from("array")),
        ("maxItems", (MAX_CHANGES as i64).into()),
        ("items", change.into()),
    ]);
    properties.insert("changes".into(), changes.into());
    let swept = own.iter().copied().filter(|key| key.section != "guardian");
    let several = |value| {
        object([
            ("type", Value::from("array")),
            ("minItems", 1.into()),
            ("maxItems", (SWEEP_POINTS_MAX as i64).into()),
            ("items", Value::from(value)),
        ])
    };
    let mut sweep = pick(known, swept, "sweep", several);
    if let Some(Value::Table(fields)) = sweep.get_mut("properties") {
        let seeds = object([("$ref", "#/$defs/common/properties/seed")]);
        let range = object([("type", "string"), ("pattern", "^ *[0-9]+ *\\.\\.= *[0-9]+ *$")]);
        let seeds = vec![Value::from(several(seeds)), range.into()];
        fields.insert("seeds".into(), object([("anyOf", seeds)]).into());
    }
    properties.insert("sweep".into(), sweep.into());
    section(properties)
}

/// Keys that belong to one network: it has to be named, or to be the one that it is anyhow.
fn networks(keys: &[Parameter]) -> Table {
    let default = keys.iter().find(|key| key.name == "network");
    let default = default.and_then(|key| key.default.as_ref()?.as_str());
    let of = |key: &Parameter| {
        let network = object([("const", key.network?)]);
        let mut of = object([("properties", object([("network", network)]))]);
        if key.network != default {
            of.insert("required".into(), vec!["network"].into());
        }
        Some((key.name.to_owned(), Value::from(of)))
    };
    keys.iter().filter_map(of).collect()
}

/// Some of the keys, each by its name and with its section; `place` is that of the schema that is made.
fn pick<'a>(
    known: &Known,
    keys: impl Iterator<Item = &'a Parameter> + Clone,
    place: &str,
    of: impl Fn(Table) -> Table,
) -> Table {
    let mut fields = Table::new();
    for key in keys.clone() {
        let is_own = OF_MODELS.contains(&key.section);
        let holder = if is_own { known.name } else { "common" };
        let path = key.key().replace('.', "/properties/");
        let value = of(object([("$ref", format!("#/$defs/{holder}/properties/{path}"))]));
        // What several sections have is named with its section.
        let is_alone = keys.clone().filter(|other| other.name == key.name).count() == 1;
        if is_alone {
            fields.insert(key.name.into(), value.clone().into());
        }
        if !key.section.is_empty() {
            let same = format!("#/$defs/{}/properties/{place}/properties/{}", known.name, key.name);
            let value = if is_alone { object([("$ref", same)]) } else { value };
            let inner = fields.entry(key.section).or_insert_with(|| section(Table::new()).into());
            let inner = inner.get_mut("properties").and_then(Value::as_table_mut);
            inner
                .into_iter()
                .for_each(|inner| drop(inner.insert(key.name.into(), value.clone().into())));
        }
    }
    section(fields)
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
