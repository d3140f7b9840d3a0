//! Whether a report has all fields and no others, each of its type; the first that is wrong is named
//! by its path, such as `results[2].samples_ns`.

use serde::Serialize;
use serde_json::Value;

use crate::refused::ReportError;

/// As it would be read.
pub(crate) fn value_of(template: &impl Serialize) -> Value {
    serde_json::to_value(template).unwrap_or_default()
}

/// Compares `given` with `template`, of whose lists the first item stands for all.
pub(crate) fn check(given: &Value, template: &Value, path: &str) -> Result<(), ReportError> {
    match (given, template) {
        (Value::Object(given), Value::Object(template)) => {
            for (name, template) in template {
                let field = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match given.get(name) {
                    None => return Err(ReportError::Missing { field }),
                    Some(given) => check(given, template, &field)?,
                }
            }
            match given.keys().find(|name| !template.contains_key(*name)) {
                None => Ok(()),
                Some(name) if path.is_empty() => Err(ReportError::Unknown { field: name.clone() }),
                Some(name) => Err(ReportError::Unknown { field: format!("{path}.{name}") }),
            }
        }
        (Value::Array(given), Value::Array(template)) => {
            let Some(template) = template.first() else { return Ok(()) };
            let mut all = given.iter().enumerate();
            all.try_for_each(|(number, given)| check(given, template, &format!("{path}[{number}]")))
        }
        (Value::String(text), Value::String(_)) if text.trim().is_empty() => {
            Err(ReportError::Empty { field: path.into() })
        }
        (given, template) if kind(given) == kind(template) => Ok(()),
        (given, template) => {
            let (found, expected) = (kind(given), kind(template));
            Err(ReportError::Type { field: path.into(), found, expected })
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_u64() => "a whole number from 0",
        Value::Number(_) => "another number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
