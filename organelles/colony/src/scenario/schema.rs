//! What a scenario of the rumour may hold, as a JSON Schema.

use toml::{Table, Value};

use super::{GUARDIAN_KEYS, MAX_CHANGES, MAX_EXPIRIES, Scenario};
use crate::models::{Allowed, Parameter, schema};

/// The numbers of the rumour's scenario, with their ranges: those that `Scenario::parse` keeps.
pub(super) fn keys() -> Vec<Parameter> {
    let most = i64::MAX as u64;
    let (whole, real) = (Allowed::Whole, Allowed::Real);
    let own = [
        ("", "seed", "All that is drawn follows from it.", whole(0, most)),
        ("population", "people", "People of a generated network.", whole(2, 10_000_000)),
        ("space", "contacts", "How many contacts are made in all.", whole(1, 100_000_000)),
        (
            "space",
            "contacts_per_activation",
            "How many others an active person contacts in a step.",
            whole(1, 100),
        ),
        ("space", "exponent", "The exponent of the potentials.", real(1.01, 10.0)),
        ("space", "smallest_potential", "The smallest potential.", real(1e-6, 1.0)),
        (
            "space",
            "activity_scale",
            "The activity of a person of potential 1, activations a step.",
            real(1e-3, 1.0),
        ),
        (
            "supervision",
            "intensity",
            "Restarts within the period before the supervisor gives up.",
            whole(0, u32::MAX as u64),
        ),
        ("supervision", "period_ticks", "The period.", whole(1, 1_000_000)),
        (
            "limits",
            "outputs_per_step",
            "Outputs of one step; one more ends the run.",
            whole(1, 1_024),
        ),
        (
            "limits",
            "messages_per_tick",
            "Messages for one agent in one tick; one more ends the run.",
            whole(1, 65_536),
        ),
        (
            "limits",
            "log_bytes_per_lease",
            "Bytes of the log for the outputs of one agent; what is beyond is denied.",
            whole(1, most),
        ),
        (
            "chaos",
            "probability",
            "Probability that an attempt of a step crashes on purpose.",
            Allowed::Below(0.0, 1.0),
        ),
    ];
    let limit = "A limit of the guardian that is tighter for this run than the machine's.";
    let guardian = GUARDIAN_KEYS.map(|name| ("guardian", name, limit, whole(0, most)));
    let key = |(section, name, meaning, allowed): (_, _, &'static str, _)| Parameter {
        section,
        name,
        meaning: meaning.into(),
        allowed,
        default: None,
        network: None,
    };
    own.into_iter().chain(guardian).map(key).collect()
}

/// What is no number.
const OTHERS: &str = r##"
[model.properties]
name = { const = "rumour" }
source = { "$ref" = "#/$defs/rumour/$defs/agent" }

[space.properties]
file = { type = "string", minLength = 1, description = "A contact file, relative to the scenario." }
generator = { enum = ["activity-driven"] }

[authority.properties.expires]
type = "array"
description = "Whose lease to send ends, and when."
[authority.properties.expires.items]
type = "object"
additionalProperties = false
required = ["agent", "tick"]
[authority.properties.expires.items.properties]
agent = { "$ref" = "#/$defs/rumour/$defs/agent" }
tick = { type = "integer", minimum = 0 }

[authority.properties.change]
type = "array"
description = "What happens to somebody's authority, and when."
[authority.properties.change.items]
type = "object"
additionalProperties = false
required = ["tick"]
minProperties = 2
maxProperties = 2
[authority.properties.change.items.properties]
tick = { type = "integer", minimum = 0 }
suspend = { "$ref" = "#/$defs/rumour/$defs/agent" }
resume = { "$ref" = "#/$defs/rumour/$defs/agent" }
revoke = { "$ref" = "#/$defs/rumour/$defs/agent" }
"##;

/// The schema of the rumour's scenarios, and its name.
pub(crate) fn rumour_schema() -> (&'static str, Table) {
    let mut sections: Table = OTHERS.parse().unwrap_or_default();
    for (name, most) in [("expires", MAX_EXPIRIES), ("change", MAX_CHANGES)] {
        let list = sections.get_mut("authority").and_then(|own| own.get_mut("properties"));
        if let Some(Value::Table(list)) = list.and_then(|lists| lists.get_mut(name)) {
            list.insert("maxItems".into(), (most as i64).into());
        }
    }
    let defaults = Table::try_from(Scenario::default_of()).unwrap_or_default();
    for mut key in keys() {
        let section = match key.section {
            "" => Some(&defaults),
            section => defaults.get(section).and_then(Value::as_table),
        };
        key.default = section.and_then(|section| section.get(key.name)).cloned();
        let field = schema::value(&key);
        if key.section.is_empty() {
            sections.insert(key.name.into(), field.into());
            continue;
        }
        let own = sections.entry(key.section).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(own) = own else { continue };
        let fields = own.entry("properties").or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(fields) = fields {
            fields.insert(key.name.into(), field.into());
        }
    }
    for (name, own) in &mut sections {
        if let (Value::Table(own), true) = (own, name != "seed") {
            own.insert("type".into(), "object".into());
            own.insert("additionalProperties".into(), false.into());
        }
    }
    let mut rumour = schema::section(sections);
    // A file leaves nothing to generate.
    let generated = ["generator", "contacts", "contacts_per_activation", "exponent"];
    let generated = generated.into_iter().chain(["smallest_potential", "activity_scale"]);
    let none: Table = generated.map(|name| (name.to_owned(), Value::from(false))).collect();
    if let Some(Value::Table(space)) =
        rumour.get_mut("properties").and_then(|all| all.get_mut("space"))
    {
        let alone = schema::object([("properties", none)]);
        space.insert("dependentSchemas".into(), schema::object([("file", alone)]).into());
    }
    let agent =
        "{ type = \"string\", minLength = 1, description = \"The name of a person, or busiest.\" }";
    let agent: Table = format!("agent = {agent}").parse().unwrap_or_default();
    rumour.insert("$defs".into(), agent.into());
    ("rumour", rumour)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ranges of the schema are those that a scenario is checked with.
    #[test]
    fn each_range_ends_where_the_scenario_refuses() {
        let takes = |key: &Parameter, value: &str| {
            let text = match key.section {
                "" => format!("{} = {value}\n[model]\nname = \"rumour\"", key.name),
                section => {
                    let name = key.name;
                    format!("[model]\nname = \"rumour\"\n[{section}]\n{name} = {value}")
                }
            };
            Scenario::parse(&text).is_ok()
        };
        for key in keys() {
            let (inside, outside) = match key.allowed {
                Allowed::Whole(least, most) => (
                    [least.to_string(), most.to_string()],
                    [(least as i64 - 1).to_string(), most.saturating_add(1).to_string()],
                ),
                Allowed::Real(least, most) => (
                    [least.to_string(), format!("{most:?}")],
                    [(least * 0.99).to_string(), (most * 1.01).to_string()],
                ),
                Allowed::Below(least, most) => (
                    [format!("{least:?}"), (most - 1e-9).to_string()],
                    ["-0.1".into(), format!("{most:?}")],
                ),
                ref other => panic!("{other:?}"),
            };
            for value in inside {
                assert!(takes(&key, &value), "{} = {value}", key.key());
            }
            for value in outside {
                assert!(!takes(&key, &value), "{} = {value}", key.key());
            }
        }
    }
}
