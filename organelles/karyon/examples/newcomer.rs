//! What a colony learned travels to an instance that sleeps, and from there to an agent that was
//! never there: it answers what the old ones knew, and from where it knows.

use std::path::Path;

use karyon::Selection;
use karyon::memory::Value;
use karyon::{Agent, AgentRef, Context, Data, KeyDirectory, Kind, Pid, Result, Run, RunError};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Scout {
    next: Option<AgentRef<Scout>>,
}

impl Agent for Scout {
    type Message = String;
    const KIND: Kind = Kind::new("scout");

    fn handle(&mut self, _from: Pid, place: String, ctx: &mut Context<'_, Self>) -> Result {
        ctx.remember_fact("water", [("at", place.as_str().into())])?;
        if let Some(next) = self.next {
            ctx.cast(next, format!("{place}, beyond the ridge"));
        }
        Ok(())
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Newcomer {
    known: Vec<[String; 3]>,
    answers: Vec<String>,
}

#[derive(Serialize, Deserialize)]
enum Word {
    /// Who knows of water, where, and the source.
    Learn([String; 3]),
    WhereIsWater {
        says: String,
    },
}

impl Agent for Newcomer {
    type Message = Word;
    const KIND: Kind = Kind::new("newcomer").keeps_its_state(8);

    fn handle(&mut self, _from: Pid, word: Word, _ctx: &mut Context<'_, Self>) -> Result {
        match word {
            Word::Learn(known) => self.known.push(known),
            Word::WhereIsWater { says } => {
                let found = self.known.iter().find(|[who, ..]| *who == says);
                let answer = found.map(|[_, place, source]| format!("{place} ({source})"));
                self.answers.push(answer.unwrap_or("nobody told me".into()));
            }
        }
        Ok(())
    }
}

/// Briefs a new agent from a memory, and asks it.
fn asked(archive: &Data, says: &str) -> std::result::Result<String, RunError> {
    let mut run = Run::new("newcomer");
    let newcomer = run.agent("newcomer", Newcomer::default());
    for known in archive.brief(None, 1_000)? {
        let Some(Value::Text(place)) = known.properties.get("at") else { continue };
        run.input(0, newcomer, Word::Learn([known.subject, place.clone(), known.source]));
    }
    run.input(1, newcomer, Word::WhereIsWater { says: says.into() });
    let outcome = run.test()?;
    Ok(outcome.state(newcomer).map(|newcomer| newcomer.answers.concat()).unwrap_or_default())
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let keys = KeyDirectory::at(folder.path().join("keys"));
    let at = |name: &str| folder.path().join(name);
    let colony = Data::new(at("colony"), "ada", "to find water").keys(keys.clone());
    let archive = Data::new(at("archive"), "ada", "so that it is not lost").keys(keys);

    let mut run = Run::new("scouts");
    let bob = run.agent("bob", Scout { next: None });
    let cyd = run.agent("cyd", Scout { next: Some(bob) });
    run.input(0, cyd, "two hours north".into());
    run.begin(&colony)?;

    let engram = at("water.engram");
    colony.export(&Selection { facts: &["water".into()], ..Selection::default() }, &engram)?;
    archive.import(Path::new(&engram), None)?;

    let answer = asked(&archive, "bob")?;
    assert!(
        answer.starts_with("two hours north, beyond the ridge (record #")
            && answer.contains("of log")
    );
    assert_eq!(asked(&archive, "dan")?, "nobody told me");
    println!("{answer}");
    Ok(())
}
