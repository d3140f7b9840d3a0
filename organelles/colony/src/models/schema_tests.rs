//! The schema, kept by a small reader of schemas: it knows the words that the schema uses, and no others.

use super::*;
use crate::models::{Simulation, builtin};
use crate::scenario::Scenario;

/// Whether a value is as a schema says; the first that is not, with where it stands.
fn check(root: &Table, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(is_any) = schema.as_bool() {
        return if is_any { Ok(()) } else { Err(format!("{at}: has no place")) };
    }
    let schema = schema.as_table().unwrap();
    let fails = |is_right: bool, word: &str| {
        if is_right { Ok(()) } else { Err(format!("{at}: {word}")) }
    };
    let number = value.as_float().or(value.as_integer().map(|whole| whole as f64));
    let of = |limit: &Value| limit.as_float().or(limit.as_integer().map(|whole| whole as f64));
    let list = value.as_array();
    let table = value.as_table();
    for (word, says) in schema {
        match word.as_str() {
            "$schema" | "$defs" | "title" | "description" | "default" => {}
            "$ref" => {
                let path = says.as_str().unwrap().strip_prefix("#/").unwrap();
                let target = path.split('/').fold(None, |found: Option<&Value>, name| {
                    Some(found.map_or_else(|| &root[name], |found| &found[name]))
                });
                check(root, target.unwrap(), value, at)?;
            }
            "type" => {
                let is = match says.as_str().unwrap() {
                    "object" => value.is_table(),
                    "array" => value.is_array(),
                    "string" => value.is_str(),
                    "integer" => value.is_integer(),
                    "number" => number.is_some(),
                    other => panic!("{other}"),
                };
                fails(is, "type")?;
            }
            "const" => fails(value == says, "const")?,
            "enum" => fails(says.as_array().unwrap().contains(value), "enum")?,
            "minimum" => fails(number.is_none_or(|n| n >= of(says).unwrap()), word)?,
            "maximum" => fails(number.is_none_or(|n| n <= of(says).unwrap()), word)?,
            "exclusiveMaximum" => fails(number.is_none_or(|n| n < of(says).unwrap()), word)?,
            "minLength" => fails(value.as_str().is_none_or(|text| !text.is_empty()), word)?,
            "minItems" => {
                fails(list.is_none_or(|list| list.len() as f64 >= of(says).unwrap()), word)?;
            }
            "maxItems" => {
                fails(list.is_none_or(|list| list.len() as f64 <= of(says).unwrap()), word)?;
            }
            "minProperties" => {
                fails(table.is_none_or(|own| own.len() as f64 >= of(says).unwrap()), word)?;
            }
            "maxProperties" => {
                fails(table.is_none_or(|own| own.len() as f64 <= of(says).unwrap()), word)?;
            }
            // The only one: a range of seeds.
            "pattern" => {
                fails(value.as_str().is_none_or(|text| text.contains("..=")), word)?;
            }
            "required" => {
                for name in says.as_array().unwrap() {
                    let name = name.as_str().unwrap();
                    fails(table.is_none_or(|own| own.contains_key(name)), name)?;
                }
            }
            "properties" => {
                for (name, inner) in table.into_iter().flatten() {
                    if let Some(says) = says.get(name) {
                        check(root, says, inner, &format!("{at}/{name}"))?;
                    }
                }
            }
            "additionalProperties" => {
                assert_eq!(says.as_bool(), Some(false));
                for name in table.into_iter().flatten().map(|(name, _)| name) {
                    fails(schema["properties"].get(name).is_some(), &format!("{name} is unknown"))?;
                }
            }
            "items" => {
                for (number, item) in list.into_iter().flatten().enumerate() {
                    check(root, says, item, &format!("{at}/{number}"))?;
                }
            }
            "dependentSchemas" => {
                for (name, says) in says.as_table().unwrap() {
                    if table.is_some_and(|own| own.contains_key(name)) {
                        check(root, says, value, at)?;
                    }
                }
            }
            "allOf" => {
                for says in says.as_array().unwrap() {
                    check(root, says, value, at)?;
                }
            }
            "anyOf" => {
                let any = says.as_array().unwrap().iter();
                let is = any.clone().any(|says| check(root, says, value, at).is_ok());
                fails(is, "anyOf")?;
            }
            "if" => {
                if check(root, says, value, at).is_ok() {
                    check(root, &schema["then"], value, at)?;
                }
            }
            "then" => {}
            other => panic!("the schema says {other}, which nobody reads here"),
        }
    }
    Ok(())
}

fn validate(text: &str) -> Result<(), String> {
    let root = schema();
    check(&root, &Value::Table(root.clone()), &Value::Table(text.parse().unwrap()), "")
}

#[test]
fn each_builtin_scenario_is_as_the_schema_says() {
    for known in MODELS {
        assert_eq!(validate(&builtin(known.name).unwrap()), Ok(()), "{}", known.name);
    }
    assert_eq!(validate(crate::scenario::builtin("rumour").unwrap()), Ok(()));
}

/// What is a scenario is as the schema says.
#[test]
fn all_that_a_scenario_may_hold_is_in_the_schema() {
    let models = [
        "[model]\nname = \"wolf-sheep\"\n[space]\nside = 9\n[schedule]\nuntil = [\"wolves < 1\"]\n\
         [collect]\nevery = 5\n[limits]\noutputs_per_step = 9\n[authority]\nexpires = [{ agent = \"sheep 1\", tick = 5 }]\n[guardian]\nprocesses = 40\n\
         [sweep]\nsheep = [1, 2]\nspace.side = [9]\nseeds = \"1..=3\"\n\
         [[changes]]\nat = 5\nset = { regrowth = 3, model.wolf_gain = 2 }\n",
        "seed = 4\n[model]\nname = \"sir\"\n[space]\nnetwork = \"configuration\"\ndegrees = [1, 2]\n\
         [chaos]\nprobability = 0.5\n[sweep]\nseeds = [1, 2]\nspace.probability = [0.1]\n",
    ];
    let without_a_point = |text: &str| text.replace("space.probability = [0.1]\n", "");
    for text in models {
        assert_eq!(validate(text), Ok(()), "{text}");
        assert!(Simulation::parse(&without_a_point(text)).is_ok(), "{text}");
    }
    let rumours = ["[model]\nname = \"rumour\"\nsource = \"busiest\"\n[space]\nfile = \"a.txt\"\n\
         [[authority.change]]\ntick = 5\nsuspend = \"a\"\n[[authority.expires]]\nagent = \"a\"\ntick = 9"];
    for text in rumours {
        assert_eq!(validate(text), Ok(()), "{text}");
        assert!(Scenario::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn what_is_no_scenario_is_not_as_the_schema_says() {
    let cases = [
        ("seed = 1", ": model"),
        ("[model]\nneed = 3", "/model: name"),
        ("[model]\nname = \"moron\"", "/model/name: enum"),
        ("[model]\nname = \"schelling\"\nside = 9", "/model: side is unknown"),
        ("[model]\nname = \"schelling\"\nneed = 99999", "/model/need: maximum"),
        ("[model]\nname = \"schelling\"\nneed = 2.5", "/model/need: type"),
        ("[model]\nname = \"schelling\"\n[spaces]", ": spaces is unknown"),
        ("[model]\nname = \"schelling\"\n[space]\nside = 1", "/space/side: minimum"),
        (
            "[model]\nname = \"schelling\"\n[chaos]\nprobability = 1.0",
            "/chaos/probability: exclusiveMaximum",
        ),
        ("[model]\nname = \"sir\"\n[space]\nnetwork = \"ring\"", "/space/network: enum"),
        (
            "[model]\nname = \"sir\"\n[space]\nnetwork = \"complete\"\ndegree = 4",
            "/space/network: const",
        ),
        ("[model]\nname = \"sir\"\n[space]\nlinks = 4", "/space: network"),
        ("[model]\nname = \"sir\"\n[sweep]\nprobability = [0.1]", "/sweep: probability is unknown"),
        ("[model]\nname = \"sir\"\n[sweep]\npeople = 4", "/sweep/people: type"),
        ("[model]\nname = \"sir\"\n[sweep]\npeople = [0]", "/sweep/people/0: minimum"),
        ("[model]\nname = \"sir\"\n[sweep]\nseeds = \"1 to 4\"", "/sweep/seeds: anyOf"),
        ("[model]\nname = \"sir\"\n[[changes]]\nset = { recovery = 1 }", "/changes/0: at"),
        (
            "[model]\nname = \"sir\"\n[[changes]]\nat = 1\nset = { seed = 1 }",
            "/changes/0/set: seed is unknown",
        ),
        (
            "[model]\nname = \"rumour\"\n[space]\nfile = \"a\"\ncontacts = 5",
            "/space/contacts: has no place",
        ),
        (
            "[model]\nname = \"rumour\"\n[[authority.change]]\ntick = 5",
            "/authority/change/0: minProperties",
        ),
        ("[model]\nname = \"rumour\"\nneed = 3", "/model: need is unknown"),
    ];
    for (text, expected) in cases {
        assert_eq!(validate(text).unwrap_err(), expected, "{text}");
        assert!(Simulation::parse(text).is_err() && Scenario::parse(text).is_err(), "{text}");
    }
}
