//! What `show` shows to people: the object for machines, in lines.

use serde_json::Value;

use crate::output::line;
use crate::output::plain;

/// Shows all of it.
pub(super) fn show(all: &Value) {
    line(&format!("log {}", text(all, "log_id")));
    section(all, "principals", &|one| {
        vec![format!("{:>3}  {}{}", id(one, "principal"), text(one, "name"), held(one))]
    });
    section(all, "reasons", &|one| {
        let under =
            number(one, "under").map_or(String::new(), |id| format!(", part of reason {id}"));
        vec![format!("{:>3}  {}{under}{}", id(one, "reason"), text(one, "label"), held(one))]
    });
    section(all, "grants", &|one| {
        let head = format!(
            "{:>3}  by {}, for reason {}{}",
            id(one, "grant"),
            name(all, "principals", "principal", &one["principal"]),
            one["reason"],
            held(one)
        );
        [vec![head], terms(&one["terms"])].concat()
    });
    section(all, "agents", &|one| {
        vec![format!("{:>3}  {}{}", id(one, "agent"), text(one, "name"), held(one))]
    });
    section(all, "leases", &|one| {
        let from = match number(one, "from_lease") {
            Some(lease) => format!("lease {lease}"),
            None => format!("grant {}", one["grant"]),
        };
        let holds = one["code"].as_str().map_or(String::new(), |code| format!("  [{code}]"));
        let owner = name(all, "agents", "agent", &one["agent"]);
        let head = format!(
            "{:>3}  {owner}, from {from}, for reason {}{holds}",
            id(one, "lease"),
            one["reason"]
        );
        [vec![head], terms(&one["terms"])].concat()
    });
    section(all, "proposals", &|one| {
        vec![
            format!(
                "{:>3}  {}, until {}",
                id(one, "proposal"),
                text(one, "state"),
                text(one, "expires")
            ),
            deed(all, one),
            format!("       digest {}", text(one, "digest")),
        ]
    });
    section(all, "effects", &|one| {
        let state = text(one, "state").replace('_', " ");
        vec![
            format!("{:>3}  {state}, until {}", id(one, "effect"), text(one, "deadline")),
            deed(all, one),
        ]
    });
}

fn section(all: &Value, name: &str, lines: &dyn Fn(&Value) -> Vec<String>) {
    let entries = all[name].as_array().map(Vec::as_slice).unwrap_or_default();
    if entries.is_empty() {
        return;
    }
    line(match name {
        "effects" => "effects that are not settled",
        other => other,
    });
    entries.iter().flat_map(lines).for_each(|text| line(&text));
}

/// Who wants what on what, with all arguments.
fn deed(all: &Value, one: &Value) -> String {
    format!(
        "       {}, lease {}: {} on {} {}",
        name(all, "agents", "agent", &one["agent"]),
        one["lease"],
        text(one, "action"),
        text(one, "resource"),
        plain(&one["arguments"].to_string())
    )
}

fn terms(terms: &Value) -> Vec<String> {
    let mut general = Vec::new();
    if terms["approves"] == true {
        general.push("may approve".to_owned());
    }
    if terms["delegates"] == true {
        general.push("may be passed on in part".into());
    }
    if let Some(end) = terms["expires"].as_str() {
        general.push(format!("until {end}"));
    }
    let mut lines = Vec::new();
    if !general.is_empty() {
        lines.push(format!("       {}", general.join(", ")));
    }
    for capability in terms["capabilities"].as_array().into_iter().flatten() {
        let mut words =
            format!("       {} on {}", text(capability, "action"), text(capability, "resource"));
        if capability["approval"] == true {
            words.push_str(", each use approved");
        }
        if let Some(left) = number(capability, "uses_left") {
            words.push_str(&format!(", {left} of {} uses left", capability["uses"]));
        }
        lines.push(words);
        let bounds = capability["constraints"].as_array().into_iter().flatten();
        lines.extend(bounds.map(|bound| format!("         {}", constraint(bound))));
    }
    lines
}

fn constraint(bound: &Value) -> String {
    let field = text(bound, "field");
    for (key, words) in
        [("minimum", "at least"), ("maximum", "at most"), ("one_of", "one of"), ("pattern", "like")]
    {
        if let Some(value) = bound.get(key) {
            return format!("{field} {words} {}", plain(&value.to_string()));
        }
    }
    format!("{field} together at most {}, {} left", bound["budget"], bound["left"])
}

/// A name with its number.
fn name(all: &Value, section: &str, key: &str, id: &Value) -> String {
    let entries = all[section].as_array().into_iter().flatten();
    let mut found = entries.filter(|one| one[key] == *id);
    found.next().map_or_else(|| id.to_string(), |one| format!("{} ({id})", text(one, "name")))
}

/// A text of an entry, safe to show.
fn text(one: &Value, key: &str) -> String {
    plain(one[key].as_str().unwrap_or_default())
}

fn number(one: &Value, key: &str) -> Option<u64> {
    one[key].as_u64()
}

/// Says if something does not stand open.
fn held(one: &Value) -> String {
    match text(one, "standing").as_str() {
        "open" | "" => String::new(),
        other => format!("  [{other}]"),
    }
}

/// A number as a text, which fills a column.
fn id(one: &Value, key: &str) -> String {
    one[key].to_string()
}
