//! Engrams that somebody made to do harm, at the command line: refused, or kept apart, and nothing
//! half-written.

use std::collections::BTreeMap;
use std::fs;

use karyon_engram::{Engram, Opened};
use karyon_identity::{PublicKey, SecretKey};
use karyon_memory_ops::{Content, Value};
use serde_json::Value as Json;

use crate::engram::{export, files, place, run};
use crate::support::{Place, contacts};

fn opened(place: &Place, name: &str) -> Opened {
    Engram::open(&fs::read(place.path(name)).unwrap()).unwrap()
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32]).unwrap()
}

/// Changes an engram and signs it anew.
fn forge(place: &Place, name: &str, key: &SecretKey, change: impl Fn(&mut Engram)) {
    let mut engram = opened(place, "bob.engram").engram;
    change(&mut engram);
    let memories: Vec<_> = engram.memories.into_iter().map(|(_, memory)| memory).collect();
    let bytes = Engram::seal(&engram.manifest, &memories, key).unwrap();
    fs::write(place.path(name), bytes).unwrap();
}

/// What a data directory holds, but for what its guardian notes of its starts.
fn held(place: &Place, data: &str) -> BTreeMap<String, Vec<u8>> {
    let mut held = files(&place.path(data));
    held.retain(|name, _| !name.starts_with("logs/"));
    held
}

fn import(place: &Place, name: &str, data: &str, trusted: PublicKey, code: i32) -> String {
    let trusted = trusted.to_string();
    let args = ["engram", "import", name, "--data", data, "--trust", &trusted];
    let tried = place.karyon(&[&args[..], &["--dry-run"]].concat()).expect(code);
    let done = place.karyon(&args).expect(code);
    assert_eq!(tried.err, done.err, "what is tried out is told alike");
    done.err
}

#[test]
fn cut_at_every_thousandth_byte() {
    let place = Place::new();
    run(&place, "d", &contacts(150, 12), "p1");
    run(&place, "f", "a b 1\n", "a");
    export(&place, &["--label", "person", "--out", "all.engram"]);
    let file = fs::read(place.path("all.engram")).unwrap();
    assert!(file.len() > 30_000, "{}", file.len());
    let before = files(&place.path("f"));
    for len in (0..file.len()).step_by(1000) {
        fs::write(place.path("cut.engram"), &file[..len]).unwrap();
        for data in ["f", "new"] {
            let args = ["engram", "import", "cut.engram", "--data", data];
            place.karyon(&args).expect(5).says(&["cut.engram"]);
        }
    }
    assert!(!place.path("new").exists());
    assert_eq!(files(&place.path("f")), before);
}

#[test]
fn an_unknown_signer_with_a_valid_signature() {
    let place = place();
    run(&place, "f", "a b 1\n", "a");
    let before = files(&place.path("f"));
    let mallory = key(9);
    forge(&place, "m.engram", &mallory, |engram| {
        engram.manifest.origin.node_key = mallory.public_key();
        engram.manifest.origin.log.0 = [9; 16];
    });
    for data in ["f", "new"] {
        let args = ["engram", "import", "m.engram", "--data", data];
        let words = ["not trusted here", &mallory.public_key().to_string()];
        place.karyon(&args).expect(3).says(&words);
        place.karyon(&[&args[..], &["--dry-run"]].concat()).expect(3).says(&words);
    }
    place.karyon(&["engram", "verify", "m.engram"]).expect(3);
    assert!(!place.path("new").exists());
    assert_eq!(files(&place.path("f")), before);
}

#[test]
fn whoever_is_trusted_speaks_for_a_log_of_their_own_alone() {
    let place = place();
    run(&place, "f", "a b 1\n", "a");
    let (mallory, node) = (key(9), opened(&place, "bob.engram").signer);
    // As if from this machine's log, which another key signs.
    forge(&place, "m.engram", &mallory, |_| ());
    let before = held(&place, "f");
    for data in ["f", "new"] {
        let told = import(&place, "m.engram", data, mallory.public_key(), 3);
        for word in [node.to_string(), mallory.public_key().to_string()] {
            assert!(told.contains(&word), "{told}");
        }
    }
    assert!(!place.path("new").exists());
    assert_eq!(held(&place, "f"), before);
    let verify = ["engram", "verify", "m.engram", "--trust", &mallory.public_key().to_string()];
    place.karyon(&verify).expect(3).says(&["get it from that node"]);
    // As if that log were signed by the key that signed the engram: not where the log is known.
    forge(&place, "m.engram", &mallory, |engram| {
        engram.manifest.origin.node_key = mallory.public_key();
    });
    place.karyon(&["engram", "import", "bob.engram", "--data", "f"]).expect(0);
    let before = held(&place, "f");
    let told = import(&place, "m.engram", "f", mallory.public_key(), 3);
    assert!(told.contains(&node.to_string()), "{told}");
    assert_eq!(held(&place, "f"), before);
    // Nor where it is one's own.
    let before = held(&place, "d");
    let told = import(&place, "m.engram", "d", mallory.public_key(), 1);
    assert!(told.contains("this very log"), "{told}");
    assert_eq!(held(&place, "d"), before);
}

#[test]
fn who_says_to_be_somebody_here_is_kept_apart() {
    let place = place();
    let mallory = key(9);
    // The names, serials, steps and leases of this very run, from a log that is said to be
    // another; the facts say something else.
    forge(&place, "m.engram", &mallory, |engram| {
        engram.manifest.origin.node_key = mallory.public_key();
        engram.manifest.origin.log.0 = [9; 16];
        for (_, memory) in &mut engram.memories {
            if let Content::Present { properties, .. } = &mut memory.write.content {
                properties.insert("forged".into(), Value::Bool(true));
            }
        }
    });
    let ask = |question: &str| {
        let args: Vec<_> = question.split(' ').chain(["--data", "d"]).collect();
        place.karyon(&args).expect(0).out
    };
    let items = |question: &str| -> Vec<Json> {
        let answer: Json = serde_json::from_str(ask(question).lines().last().unwrap()).unwrap();
        answer["items"].as_array().unwrap().clone()
    };
    let own = ["memory get bob --json", "memory history ada bob --json"];
    let before = own.map(items);
    let same = ["memory count heard", "memory list contact --json", "why bob", "why ada"];
    let alike = same.map(ask);
    let root = place.verified("d")["state_root"].clone();
    import_well(&place, &mallory);
    for (question, before) in own.iter().zip(before) {
        let after = items(question);
        assert_eq!(after[..before.len()], before[..], "{question}: own ones come first");
        assert_eq!(after.len(), 2 * before.len(), "{question}");
        for item in &after[before.len()..] {
            assert_eq!(item["origin"]["log"], "09".repeat(16), "{question}");
            assert_eq!(item["properties"]["forged"], true, "{question}");
        }
    }
    for (question, before) in same.iter().zip(alike) {
        assert_eq!(ask(question), before, "{question}");
    }
    assert_eq!(place.verified("d")["state_root"], root);
    // It is found again, and by whom it came stands in the record.
    let inspected = place.karyon(&["audit", "tail", "--data", "d"]).expect(0).out;
    assert!(inspected.contains(&mallory.public_key().to_string()), "{inspected}");
}

fn import_well(place: &Place, mallory: &SecretKey) {
    let trusted = mallory.public_key().to_string();
    let args = ["engram", "import", "m.engram", "--data", "d", "--trust", &trusted];
    let done = place.karyon(&[&args[..], &["--json"]].concat()).expect(0).json();
    assert_eq!(done["new"], 6);
    assert_eq!(done["conflicts"][0]["theirs"]["properties"]["forged"], true, "{done}");
}
