//! The tables of docs/models.md are those that the models declare.

use std::fmt::Write as _;
use std::path::Path;

use karyon_colony::models::{Known, MODELS, Parameter, Simulation};

const BEGINS: &str = "<!-- Made of what the models declare; a test compares it. -->\n";
const ENDS: &str = "<!-- Here it ends. -->\n";

fn table(keys: &[Parameter]) -> String {
    let mut table = String::from("| key | range | default | meaning |\n|---|---|---|---|\n");
    for key in keys {
        let default = key.default.as_ref().map_or(String::new(), |value| format!("`{value}`"));
        let network = key.network.map_or(String::new(), |name| format!(" Of `{name}`."));
        let words = key.allowed.words();
        let meaning = &key.meaning;
        writeln!(table, "| `{}` | {words} | {default} | {meaning}{network} |", key.key()).unwrap();
    }
    table
}

fn tables() -> String {
    let mut text = String::new();
    let own = |known: &Known| (known.parameters)();
    let networks: Vec<_> = own(&MODELS[0])
        .into_iter()
        .chain(MODELS.iter().flat_map(own))
        .filter(|key| key.network.is_some())
        .collect();
    for known in MODELS {
        let keys: Vec<_> = own(known).into_iter().filter(|key| key.network.is_none()).collect();
        writeln!(text, "\n#### {}\n\n{}", known.name, table(&keys).trim_end()).unwrap();
    }
    let mut seen = Vec::new();
    let networks: Vec<_> = networks
        .into_iter()
        .filter(|key| {
            !seen.contains(&key.name) && {
                seen.push(key.name);
                true
            }
        })
        .collect();
    writeln!(text, "\n#### Networks\n\n{}", table(&networks).trim_end()).unwrap();
    let common = MODELS[0].keys();
    let of_model: Vec<String> = own(&MODELS[0]).iter().map(Parameter::key).collect();
    let common: Vec<_> = common
        .into_iter()
        .filter(|key| !of_model.contains(&key.key()) && key.section != "guardian")
        .collect();
    writeln!(text, "\n#### All models\n\n{}", table(&common).trim_end()).unwrap();
    text
}

#[test]
fn the_tables_of_parameters_are_those_of_the_models() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/models.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGINS).expect("where the tables begin");
    let (kept, behind) = rest.split_once(ENDS).expect("where they end");
    let made = tables();
    if std::env::var_os("KARYON_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGINS}{made}{ENDS}{behind}")).unwrap();
        return;
    }
    assert!(
        kept == made,
        "write them anew: KARYON_WRITE_DOCS=1 cargo test -p karyon-colony documents"
    );
}

#[test]
fn the_scenario_that_the_page_shows_is_one() {
    let page = include_str!("../../../../docs/models.md");
    let blocks: Vec<&str> = page
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("```")?.0))
        .collect();
    assert_eq!(blocks.len(), 1);
    let simulation = Simulation::parse(blocks[0]).unwrap();
    assert_eq!(simulation.name(), "wolf-sheep");
    assert_eq!(simulation.sweep.as_ref().map(|sweep| sweep.points.len()), Some(30));
    assert_eq!(simulation.changes.len(), 1);
    assert!(simulation.build().is_ok());
}
