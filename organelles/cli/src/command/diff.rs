//! `karyon diff`: where two runs part.

use serde_json::json;

use crate::args::DiffRuns;
use crate::divergence;
use crate::error::{CliError, Code};
use crate::output::{self, hex, plain, thousands};
use crate::parting::{First, Other, Parting, Side, part, scenarios};

pub(crate) fn execute(args: &DiffRuns) -> Result<Code, CliError> {
    let (one, other) = (Side::open(&args.first)?, Side::open(&args.second)?);
    let parting = part(&one, &other)?;
    let keys = scenarios(&one, &other);
    let sides = [&one, &other];
    match args.json {
        true => output::safe_json(&as_json(sides, &parting, &keys)),
        false => as_text(sides, &parting, &keys),
    }
    Ok(if parting.first.is_none() { Code::Ok } else { Code::Different })
}

fn as_text(sides: [&Side<'_>; 2], parting: &Parting, keys: &[Other]) {
    let [one, other] = sides.map(|side| plain(&side.data.display().to_string()));
    let ticks = parting.tick.map_or(0, |tick| tick.0 + 1);
    output::line(&format!(
        "the same    {} records, to tick {}",
        thousands(parting.same),
        thousands(ticks.saturating_sub(1))
    ));
    let told = |value: &Option<String>| value.as_ref().map_or("nothing".into(), |v| plain(v));
    for Other { key, values: [left, right] } in keys {
        let (key, left, right) = (plain(key), told(left), told(right));
        output::line(&format!("scenario    {key}: {left}, and {right}"));
    }
    let Some(first) = &parting.first else {
        let roots = sides.map(|side| side.report.seal().map(|seal| hex(&seal.state_root)));
        match roots {
            [Some(one), Some(other)] if one == other => {
                output::line(&format!("state root  {one}, of both"));
            }
            [Some(one), Some(other)] => output::line(&format!("state root  {one}, and {other}")),
            _ => output::line("not sealed  compared up to the end of both"),
        }
        return;
    };
    let when = match parting.tick {
        Some(tick) => format!("in {tick}"),
        None => "before the first tick".into(),
    };
    let whose = first.agent.as_ref().map_or(String::new(), |(agent, name)| match name {
        Some(name) => format!(", at {agent} (\"{}\")", plain(name)),
        None => format!(", at {agent}"),
    });
    output::line(&format!("they part   {when}{whose}"));
    let difference = first.divergence(parting.tick);
    let [left, right] = &first.bytes;
    output::line(&format!("  {one}: {}{}", number(first, 0), divergence::side(left.as_deref())));
    output::line(&format!("  {other}: {}{}", number(first, 1), divergence::side(right.as_deref())));
    if let Some(found) = divergence::difference(&difference) {
        let (field, left, right) = divergence::values(&found);
        output::line(&format!("  differs   {field}: {left}, and {right}"));
    }
    for (position, data) in first.records.iter().zip([&one, &other]) {
        if let Some(position) = position {
            output::line(&format!("explained by  karyon why '{position}' --data {data}"));
        }
    }
}

fn number(first: &First, side: usize) -> String {
    let position = first.records.get(side).copied().flatten();
    position.map_or(String::new(), |position| format!("{position}  "))
}

fn as_json(sides: [&Side<'_>; 2], parting: &Parting, keys: &[Other]) -> serde_json::Value {
    let roots = sides.map(|side| side.report.seal().map(|seal| hex(&seal.state_root)));
    let keys: Vec<_> = keys
        .iter()
        .map(|Other { key, values: [left, right] }| json!({ "key": key, "a": left, "b": right }))
        .collect();
    let first = parting.first.as_ref().map(|first| {
        let differs = divergence::difference(&first.divergence(parting.tick));
        let [left, right] = &first.bytes;
        json!({
            "agent": first.agent.as_ref().map(|(agent, name)| json!({
                "id": agent.0, "name": name,
            })),
            "records": first.records.map(|position| position.map(|position| position.0)),
            "a": divergence::as_json(left.as_deref()),
            "b": divergence::as_json(right.as_deref()),
            "differs": differs.map(|difference| difference.field),
        })
    });
    json!({
        "same": parting.first.is_none(),
        "records": parting.same,
        "tick": parting.tick.map(|tick| tick.0),
        "scenario": keys,
        "first": first,
        "state_roots": roots,
    })
}
