//! Terms as TOML.

use std::path::Path;

use karyon_colony::names::nearest;
use karyon_types::{Bound, Capability, Constraint, Plain, Terms};
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::error::CliError;
use crate::handover::{Input, Inputs};

/// The longest file of terms, bytes: 64 capabilities of 64 constraints fit in it.
const TERMS_BYTES_MAX: u64 = 1024 * 1024;

/// All keys, to find the nearest to one that is unknown.
const KEYS: [&str; 15] = [
    "delegates",
    "approves",
    "expires",
    "capability",
    "action",
    "resource",
    "approval",
    "uses",
    "constraints",
    "field",
    "minimum",
    "maximum",
    "one_of",
    "pattern",
    "budget",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    delegates: bool,
    #[serde(default)]
    approves: bool,
    #[serde(default, deserialize_with = "moment")]
    expires: Option<u64>,
    #[serde(default)]
    capability: Vec<Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    action: String,
    resource: String,
    #[serde(default)]
    approval: bool,
    uses: Option<u64>,
    #[serde(default)]
    constraints: Vec<Bounds>,
}

/// One field and its bounds; several are as many constraints.
struct Bounds(Vec<Constraint>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BoundsTable {
    field: String,
    minimum: Option<u64>,
    maximum: Option<u64>,
    #[serde(default, deserialize_with = "plains")]
    one_of: Option<Vec<Plain>>,
    #[serde(default, deserialize_with = "pattern")]
    pattern: Option<String>,
    budget: Option<u64>,
}

impl<'de> Deserialize<'de> for Bounds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Bounds, D::Error> {
        let table = BoundsTable::deserialize(from)?;
        if let (Some(least), Some(most)) = (table.minimum, table.maximum)
            && least > most
        {
            return Err(D::Error::custom(format!(
                "the minimum of {:?} is {least}, and its maximum {most}: nothing is between",
                table.field
            )));
        }
        let bounds = [
            table.minimum.map(Bound::Minimum),
            table.maximum.map(Bound::Maximum),
            table.one_of.map(Bound::OneOf),
            table.pattern.map(Bound::Pattern),
            table.budget.map(Bound::Budget),
        ];
        let field = table.field;
        let constraint = |bound| Constraint { field: field.clone(), bound };
        let constraints: Vec<_> = bounds.into_iter().flatten().map(constraint).collect();
        if constraints.is_empty() {
            return Err(D::Error::custom(format!(
                "nothing is said of {field:?}: expected minimum, maximum, one_of, pattern or budget"
            )));
        }
        Ok(Bounds(constraints))
    }
}

fn moment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let value = toml::Value::deserialize(from)?;
    let text = match &value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Datetime(moment) => moment.to_string(),
        _ => String::new(),
    };
    let moment: Option<jiff::Timestamp> = text.parse().ok();
    let unix_ms = moment.and_then(|moment| u64::try_from(moment.as_millisecond()).ok());
    unix_ms.map(Some).ok_or_else(|| {
        D::Error::custom(format!(
            "{value} is no moment; expected one with its offset, such as \"2027-12-31T00:00:00Z\""
        ))
    })
}

fn plains<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Plain>>, D::Error> {
    let values = Vec::<toml::Value>::deserialize(from)?;
    let plain = |value: &toml::Value| match value {
        toml::Value::String(text) => Some(Plain::Text(text.clone())),
        toml::Value::Boolean(value) => Some(Plain::Bool(*value)),
        toml::Value::Integer(number) => u64::try_from(*number).ok().map(Plain::Number),
        _ => None,
    };
    if values.is_empty() {
        return Err(D::Error::custom("one_of is empty: nothing would be allowed"));
    }
    let plains = values.iter().map(|value| {
        plain(value).ok_or_else(|| {
            D::Error::custom(format!(
                "one_of holds {value}; expected texts, whole numbers from 0, true or false"
            ))
        })
    });
    plains.collect::<Result<_, _>>().map(Some)
}

/// A `*` elsewhere than at the end would stand for itself, which nobody expects.
fn pattern<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let pattern = String::deserialize(from)?;
    match pattern.strip_suffix('*').unwrap_or(&pattern).contains('*') {
        true => Err(D::Error::custom(format!(
            "the pattern {pattern:?} has a `*` that is not at its end"
        ))),
        false => Ok(Some(pattern)),
    }
}

/// Reads terms from a file.
pub(super) fn read(path: &Path, inputs: &mut Inputs) -> Result<Terms, CliError> {
    let bytes = inputs.read(Input::Terms, path, TERMS_BYTES_MAX).map_err(|error| {
        CliError::failure(format!("the terms {} cannot be read: {error}", path.display()))
    })?;
    let text = String::from_utf8(bytes)
        .map_err(|_| CliError::failure(format!("the terms {} are not UTF-8", path.display())))?;
    parse(&text).map_err(|why| CliError::failure(format!("the terms {}: {why}", path.display())))
}

fn parse(text: &str) -> Result<Terms, String> {
    let file: File = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| {
            let before = text.get(..span.start).unwrap_or(text);
            format!("line {}: ", before.matches('\n').count() + 1)
        });
        let message = error.message().trim();
        format!("{}{message}{}", line.unwrap_or_default(), did_you_mean(message))
    })?;
    let terms = Terms {
        capabilities: file.capability.into_iter().map(capability).collect(),
        approves: file.approves,
        delegates: file.delegates,
        expires_unix_ms: file.expires,
    };
    match terms.capabilities.is_empty() && !terms.approves {
        true => Err("they allow nothing: expected a [[capability]], or approves = true".into()),
        false => Ok(terms),
    }
}

fn capability(table: Table) -> Capability {
    let Table { action, resource, approval, uses, constraints } = table;
    let constraints = constraints.into_iter().flat_map(|bounds| bounds.0).collect();
    Capability { action, resource, constraints, uses, approval }
}

/// The key that the parser does not know stands in its message.
fn did_you_mean(message: &str) -> String {
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`'));
    let near = unknown.and_then(|(key, _)| nearest(key, KEYS, 1).first().copied());
    near.map_or(String::new(), |key| format!("; did you mean \"{key}\"?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
delegates = true
expires = "2027-01-01T00:00:00Z"

[[capability]]
action = "payment.transfer"
resource = "bank/acme"
approval = true
uses = 10
constraints = [
  { field = "amount", minimum = 1, maximum = 100000 },
  { field = "amount", budget = 250000 },
  { field = "currency", one_of = ["EUR", 7, true] },
  { field = "to", pattern = "DE*" },
]
"#;

    #[test]
    fn all_keys_are_read() {
        let terms = parse(WHOLE).unwrap();
        assert!(terms.delegates && !terms.approves);
        assert_eq!(terms.expires_unix_ms, Some(1_798_761_600_000));
        let [capability] = &terms.capabilities[..] else { panic!("{terms:?}") };
        assert_eq!((capability.approval, capability.uses), (true, Some(10)));
        let constraint = |field: &str, bound| Constraint { field: field.into(), bound };
        let one_of = vec![Plain::Text("EUR".into()), Plain::Number(7), Plain::Bool(true)];
        assert_eq!(
            capability.constraints,
            [
                constraint("amount", Bound::Minimum(1)),
                constraint("amount", Bound::Maximum(100_000)),
                constraint("amount", Bound::Budget(250_000)),
                constraint("currency", Bound::OneOf(one_of)),
                constraint("to", Bound::Pattern("DE*".into())),
            ]
        );
        let as_toml_date = WHOLE.replace('"', "").replace("2027-01-01T00:00:00Z", "X");
        assert!(parse(&as_toml_date).is_err());
        assert_eq!(
            parse("approves = true\nexpires = 2027-01-01T00:00:00+00:00").unwrap().expires_unix_ms,
            terms.expires_unix_ms
        );
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_line_and_what_is_expected() {
        // Bounds that contradict each other, or none at all: the line where the list begins.
        for (from, to, line, word) in [
            ("uses = 10", "use = 10", 9, "did you mean \"uses\"?"),
            ("maximum", "maximun", 11, "did you mean \"maximum\"?"),
            ("delegates", "delegate", 2, "did you mean \"delegates\"?"),
            ("uses = 10", "uses = -1", 9, "-1"),
            ("uses = 10", "uses = 1.5", 9, "1.5"),
            ("maximum = 100000", "maximum = \"9\"", 11, "string"),
            ("minimum = 1,", "minimum = 100001,", 10, "nothing is between"),
            ("budget = 250000", "budget = -5", 12, "-5"),
            (", budget = 250000", "", 10, "expected minimum"),
            ("[\"EUR\", 7, true]", "[]", 13, "empty"),
            ("[\"EUR\", 7, true]", "[1.5]", 13, "whole numbers"),
            ("[\"EUR\", 7, true]", "[-1]", 13, "whole numbers"),
            ("\"DE*\"", "\"D*E\"", 14, "not at its end"),
            ("2027-01-01T00:00:00Z", "tomorrow", 3, "2027-12-31T00:00:00Z"),
            ("2027-01-01T00:00:00Z", "2027-01-01T00:00:00", 3, "offset"),
            ("2027-01-01T00:00:00Z", "1927-01-01T00:00:00Z", 3, "no moment"),
            ("resource = \"bank/acme\"\n", "", 5, "resource"),
            ("[[capability]]", "[capability", 5, ""),
        ] {
            let text = WHOLE.replacen(from, to, 1);
            assert_ne!(text, WHOLE, "{from}");
            let why = parse(&text).unwrap_err();
            assert!(why.contains(word), "{to}: {why}");
            assert!(why.starts_with(&format!("line {line}: ")), "{to}: {why}");
        }
        assert!(parse("").unwrap_err().contains("allow nothing"));
    }
}
