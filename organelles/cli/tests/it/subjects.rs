//! What agents of a subject know in a run of the library: recalled, forgotten, and gone.

use std::fs;

use karyon::memory::Value;
use karyon::{Agent, AgentRef, Context, Data, Every, Kind, Pid, Result, Run};
use karyon_keys::KeyDirectory;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::audit::script;
use crate::governed::holding;
use crate::support::Place;

/// Remembers what it hears.
#[derive(Default, Serialize, Deserialize)]
struct Clerk {
    notes: Vec<String>,
}

impl Agent for Clerk {
    type Message = String;
    const KIND: Kind = Kind::new("clerk").keeps_its_state(9);

    fn handle(&mut self, _from: Pid, note: String, ctx: &mut Context<'_, Self>) -> Result {
        ctx.remember_fact("said", [("words", Value::Text(note.clone()))])?;
        self.notes.push(note);
        Ok(())
    }
}

fn office() -> Run {
    let mut run = Run::new("office");
    let acme: AgentRef<Clerk> = run.agent("clerk", Clerk::default());
    let bea = run.agent("bea's", Clerk::default());
    let other = run.agent("nobody's", Clerk::default());
    run.subject(acme, "CANARY and sons").subject(bea, "bea").snapshots(Every::Ticks(1));
    run.input(0, acme, "CANARY-ONE".into()).input(1, bea, "CANARY-TWO".into());
    run.input(2, other, "heard by all".into()).input(3, acme, "CANARY-THREE".into());
    run
}

fn recall(place: &Place, subject: &str) -> Vec<Json> {
    let args = ["memory", "recall", "--subject", subject, "--json", "--data", "d"];
    place.karyon(&args).expect(0).json()["memories"].as_array().unwrap().clone()
}

#[test]
fn what_agents_of_a_subject_know_is_recalled_and_forgotten_for_good() {
    let place = Place::new();
    let data = Data::new(place.path("d"), "ada", "to look after customers")
        .keys(KeyDirectory::at(place.keys()));
    let run = office();
    run.begin(&data).unwrap();
    // No guardian saw that run.
    place.end_safe_mode("d", "a run of my own");
    let whole = run.replay(&data).unwrap().to_string();
    let acme = recall(&place, "CANARY and sons");
    assert_eq!(acme.len(), 1);
    assert_eq!(acme[0]["text"], "agent 1 said; words: CANARY-THREE");
    assert_eq!((&acme[0]["owner"], &acme[0]["kind"]), (&"ada".into(), &"observation".into()));
    assert_eq!(acme[0]["reason"], "to look after customers");
    let all = ["memory", "recall", "CANARY", "--json", "--data", "d"];
    assert_eq!(place.karyon(&all).expect(0).json()["memories"].as_array().unwrap().len(), 2);
    // One of what a run knows is not forgotten by itself.
    let (key, d) = (acme[0]["key"].as_str().unwrap(), place.path("d"));
    let one = ["memory", "forget", "CANARY and sons", "--key", key, "--reason", "r", "--data", "d"];
    place.karyon(&one).expect(1).says(&["is forgotten as a whole"]);
    assert_eq!(holding(&d, "CANARY"), Vec::<String>::new());
    assert!(d.join("snapshots").exists());

    let forget = ["memory", "forget", "CANARY and sons", "--reason", "asked for it", "--data", "d"];
    place.karyon(&[&forget[..], &["--yes"]].concat()).expect(0);
    assert_eq!(recall(&place, "CANARY and sons")[0]["erased"], true);
    assert_eq!(recall(&place, "bea")[0]["text"], "agent 2 said; words: CANARY-TWO");
    assert!(!d.join("snapshots").exists());
    assert_eq!(holding(&d, "CANARY"), Vec::<String>::new());
    place.karyon(&["audit", "verify", "--data", "d"]).expect(0);
    let rebuilt = place.karyon(&["memory", "rebuild", "--data", "d"]).expect(0);
    assert!(rebuilt.out.contains("identical"), "{}", rebuilt.out);
    place.karyon(&["audit", "export", "--data", "d", "--out", "e"]).expect(0);
    assert!(!fs::read_to_string(place.path("e")).unwrap().contains("CANARY"));
    if let Some((content, words)) = script(&place, "e") {
        assert!(content, "{words}");
    }
    // The run is repeated without what it knew.
    let replayed = run.replay(&data).unwrap().to_string();
    assert!(replayed.contains("3 opaque steps of 1 agents: 1 erased"), "{replayed}");
    let records = |words: &str| words.split(" records").next().map(ToOwned::to_owned);
    assert_eq!(records(&replayed), records(&whole));

    // Where the keys are elsewhere it says so.
    fs::rename(d.join("keystore"), place.path("keystore")).unwrap();
    assert_eq!(recall(&place, "~2")[0]["sealed"], true);
    let replayed = run.replay(&data).unwrap().to_string();
    assert!(replayed.contains("2 sealed under keys that are not here"), "{replayed}");
}

#[test]
fn what_is_to_be_kept_no_longer_is_erased_with_all_that_its_run_knows() {
    let place = Place::new();
    let data = Data::new(place.path("d"), "ada", "to look after customers")
        .keys(KeyDirectory::at(place.keys()));
    let mut run = office();
    run.keep_until("bea", 1_000_000_000);
    run.begin(&data).unwrap();
    place.end_safe_mode("d", "a run of my own");
    place.karyon(&["memory", "expire", "--data", "d"]).expect(0);
    // What was erased because it has expired is told as what was forgotten.
    let told = recall(&place, "bea");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["erased"], &told[0]["expired"]), (&Json::Bool(true), &Json::Bool(true)));
    let then =
        ["memory", "recall", "--subject", "bea", "--at", "2001-01-01", "--json", "--data", "d"];
    assert_eq!(place.karyon(&then).expect(0).json()["memories"][0]["erased"], true);
    assert_eq!(recall(&place, "CANARY and sons").len(), 1);
    let replayed = run.replay(&data).unwrap().to_string();
    assert!(replayed.contains("2 opaque steps of 1 agents: 1 erased"), "{replayed}");
}
