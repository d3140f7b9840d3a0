//! What a trusted signer tells of another log's records keeps out nothing that this log says itself.

use karyon_engram::Engram;
use karyon_identity::SecretKey;
use karyon_memory_ops::{Content, Entity, Memory, Time, Value as Property, Vertex};
use karyon_types::{Hasher, LogId, Position};
use serde_json::{Value, json};

use crate::governed::{recall, shows};
use crate::governed_engrams::{export, forge, import_args, key_of, office};
use crate::governed_replaced::brings;
use crate::support::{Ended, Place};

const TERMS: [&str; 4] = ["--subject", "acme", "--key", "terms"];

/// Somebody with a node of her own, whom the others trust for her own log.
struct Mallory {
    key: SecretKey,
    office: Place,
}

impl Mallory {
    /// She has an engram of this office.
    fn with(office: Place) -> Mallory {
        export(&office, "d", "o.engram", &["--subject", "acme", "deploys"]);
        Mallory { key: SecretKey::from_seed([9; 32]).unwrap(), office }
    }

    /// Brings it as if it had come to her, with what she makes of it.
    fn brings(
        &self,
        there: &Place,
        more: &[&str],
        change: impl Fn(&mut Engram),
        of: impl Fn(&mut Memory),
    ) -> Ended {
        let log = |engram: &Engram| engram.manifest.origin.log;
        let victim = std::cell::Cell::new(LogId([0; 16]));
        forge(
            &self.office,
            &self.key,
            |engram| {
                victim.set(log(engram));
                change(engram);
                engram.manifest.origin.log = LogId([6; 16]);
                engram.manifest.origin.records += 10;
            },
            |memory| {
                let first = (victim.get(), memory.recorded.position);
                let Content::Present { properties, .. } = &mut memory.write.content else { return };
                let of_victim =
                    [Property::Bytes(first.0.0.into()), Property::Int(first.1.0.cast_signed())];
                properties.insert("first".into(), Property::List(of_victim.into()));
                of(memory);
            },
        );
        let file = self.office.path("m.engram").display().to_string();
        let trusted = self.key.public_key().to_string();
        there.karyon(&[&import_args(&file, "e", &trusted)[..], more].concat())
    }

    /// What the office says itself.
    fn own(&self, there: &Place, more: &[&str]) -> Value {
        let (file, key) =
            (self.office.path("o.engram").display().to_string(), key_of(&self.office));
        there.karyon(&[&import_args(&file, "e", &key)[..], more].concat()).expect(0).json()
    }
}

fn says(memory: &mut Memory, text: &str) {
    let Content::Present { properties, .. } = &mut memory.write.content else { return };
    properties.insert("text".into(), text.to_owned().into());
}

/// A later version of what came last, as if the office had recorded it.
fn one_more(engram: &mut Engram, text: &str) {
    let terms = |memory: &Memory| matches!(&memory.write.entity, Entity::Fact { predicate, .. } if predicate == "terms");
    // They lie in the order of their hashes.
    let from = |(_, memory): &&(_, Memory)| memory.write.valid.from;
    let all = engram.memories.iter().filter(|(_, memory)| terms(memory));
    let (cid, mut memory) = all.max_by_key(from).unwrap().clone();
    says(&mut memory, text);
    memory.recorded.position = Position(engram.manifest.origin.records + 5);
    let from = memory.write.valid.from;
    memory.write.valid.from = Time::new(from.units(), from.nanos() + 1).unwrap();
    engram.memories.push((cid, memory));
}

fn texts(there: &Place, more: &[&str]) -> Vec<String> {
    let found = recall(there, "e", more);
    found.iter().map(|memo| memo["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn who_says_otherwise_of_another_log_keeps_out_nothing_of_it() {
    let (mallory, there) = (Mallory::with(office()), Place::new());
    // The same records, about something else, and under another key.
    let lie = |memory: &mut Memory| {
        says(memory, "LIES");
        let Entity::Fact { predicate, .. } = &mut memory.write.entity else { return };
        if predicate == "friday" {
            *predicate = "monday".into();
        }
    };
    assert_eq!(mallory.brings(&there, &[], |_| (), lie).expect(0).json()["new"], 5);
    for (more, changed) in [(&["--dry-run"][..], false), (&[], true)] {
        let own = mallory.own(&there, more);
        assert_eq!((&own["new"], &own["known"]), (&json!(5), &json!(0)), "{own}");
        assert_eq!(own["changed"], changed);
        let conflicts = own["conflicts"].as_array().unwrap();
        assert_eq!(conflicts[0]["here"]["text"], "LIES", "{own}");
    }
    assert_eq!(texts(&there, &TERMS), ["14 days net", "LIES"]);
    let other = &recall(&there, "e", &TERMS)[0]["contradicted_by"][0]["log"];
    assert_eq!(*other, LogId([6; 16]).to_string());
    assert_eq!(texts(&there, &["--subject", "deploys", "--key", "friday"]), ["none after noon"]);
    assert_eq!(mallory.own(&there, &[])["known"], 5);
    // Now that the log has spoken, whoever says otherwise of it is refused.
    mallory
        .brings(&there, &[], |engram| one_more(engram, "MORE"), lie)
        .expect(3)
        .says(&["has two pasts"]);
    there.verified("e");
}

#[test]
fn who_told_the_truth_of_another_log_replaces_nothing_of_it() {
    let (mallory, there) = (Mallory::with(office()), Place::new());
    assert_eq!(mallory.brings(&there, &[], |_| (), |_| ()).expect(0).json()["new"], 5);
    let own = mallory.own(&there, &[]);
    assert_eq!((&own["new"], &own["conflicts"]), (&json!(5), &json!([])), "{own}");
    // What both say is answered once, as the log's own word.
    let found = recall(&there, "e", &TERMS);
    assert_eq!((found.len(), found[0]["via"].as_array().unwrap().len()), (1, 1));
    let newer = |engram: &mut Engram| one_more(engram, "cash");
    let more = mallory.brings(&there, &[], newer, |_| ()).expect(0).json();
    assert_eq!((&more["new"], &more["known"]), (&json!(1), &json!(5)), "{more}");
    assert_eq!(texts(&there, &TERMS), ["14 days net", "cash"]);
    // It goes on as the log itself said it.
    let exported = export(&there, "e", "t.engram", &TERMS);
    assert_eq!((&exported["memories"], &exported["hearsay"]), (&json!(3), &json!(4)), "{exported}");
    let shown = ["engram", "export", "--key", "terms", "--data", "e", "--out", "u.engram"];
    shows(&there.karyon(&shown).expect(0), &["4 memories left out: the log of which they tell"]);
    let (third, file) = (Place::new(), there.path("t.engram").display().to_string());
    third.karyon(&import_args(&file, "e", &key_of(&there))).expect(0);
    assert_eq!(texts(&third, &TERMS), ["14 days net"]);
}

#[test]
fn what_was_forgotten_as_another_told_it_is_named_and_comes_when_asked() {
    let mallory = Mallory::with(office());
    // Also in a chain in which nobody lies it does not come back by itself.
    for text in [Some("LIES"), None] {
        let there = Place::new();
        let lie = |memory: &mut Memory| text.into_iter().for_each(|text| says(memory, text));
        assert_eq!(mallory.brings(&there, &[], |_| (), lie).expect(0).json()["new"], 5);
        let forget = ["memory", "forget", "acme", "--key", "terms", "--reason", "r", "--data", "e"];
        assert!(there.karyon(&forget).expect(0).out.contains("3 memories"));
        let own = mallory.own(&there, &[]);
        assert_eq!((&own["new"], &own["erased_here"]), (&json!(2), &json!(0)), "{own}");
        assert_eq!(own["erased_elsewhere"], 3);
        assert_eq!(recall(&there, "e", &["--key", "terms"]), Vec::<Value>::new());
        let (file, key) = (mallory.office.path("o.engram"), key_of(&mallory.office));
        let file = file.display().to_string();
        let args = import_args(&file, "e", &key);
        let words: Vec<_> = args.into_iter().filter(|arg| *arg != "--json").collect();
        shows(&there.karyon(&words).expect(0), &["3 left out: forgotten here", "--again"]);
        for more in [&["--again", "--dry-run"][..], &["--again"]] {
            assert_eq!(mallory.own(&there, more)["new"], 3);
        }
        assert_eq!(texts(&there, &["--key", "terms"]), ["14 days net"]);
        // Forgotten as the log itself said it, it stays so, and is not asked for.
        there.karyon(&forget).expect(0);
        let own = mallory.own(&there, &["--again"]);
        assert_eq!((&own["new"], &own["erased_here"]), (&json!(0), &json!(3)), "{own}");
    }
}

/// Nor does it keep out what an honest third one carries, or travel in its place.
#[test]
fn who_lies_about_another_log_keeps_nobody_from_carrying_it() {
    let (mallory, honest, there) = (Mallory::with(office()), Place::new(), Place::new());
    let lie = |memory: &mut Memory| says(memory, "LIES");
    mallory.brings(&there, &[], |_| (), lie).expect(0);
    mallory.own(&honest, &[]);
    let out = honest.path("b.engram").display().to_string();
    export(&honest, "e", "b.engram", &["--subject", "acme", "deploys"]);
    let key = key_of(&honest);
    let done = there.karyon(&import_args(&out, "e", &key)).expect(0).json();
    assert_eq!((&done["new"], &done["known"]), (&json!(5), &json!(0)), "{done}");
    let mut both = texts(&there, &TERMS);
    both.sort();
    assert_eq!(both, ["14 days net", "LIES"]);
    // What goes on says one thing of each record, and is taken in.
    assert_eq!(export(&there, "e", "c.engram", &TERMS)["hearsay"], 3);
    let (third, file) = (Place::new(), there.path("c.engram").display().to_string());
    third.karyon(&import_args(&file, "e", &key_of(&there))).expect(0);
    // Once the log itself has spoken, it is that.
    mallory.own(&there, &[]);
    export(&there, "e", "d.engram", &TERMS);
    let (fourth, file) = (Place::new(), there.path("d.engram").display().to_string());
    fourth.karyon(&import_args(&file, "e", &key_of(&there))).expect(0);
    assert_eq!(texts(&fourth, &TERMS), ["14 days net"]);
    assert_eq!(brings(&mallory.office, &fourth, "e", &TERMS, &[]).expect(0).json()["new"], 3);
}

/// A log may have any id, also that under which another one's hearsay lies.
#[test]
fn who_takes_the_place_of_what_another_carries_keeps_out_nothing_else() {
    let (mallory, honest, there) = (Mallory::with(office()), Place::new(), Place::new());
    mallory.own(&honest, &[]);
    export(&honest, "e", "b.engram", &["--subject", "acme", "deploys"]);
    let opened = |path| Engram::open(&std::fs::read(path).unwrap()).unwrap().engram;
    let [carrier, of] = [honest.path("b.engram"), mallory.office.path("o.engram")]
        .map(|path| opened(path).manifest.origin.log);
    let mut hasher = Hasher::for_domain("karyon memory origin v1");
    hasher.update(&carrier.0).update(&of.0);
    let lane = LogId(*hasher.finish().0.first_chunk().unwrap());
    forge(
        &mallory.office,
        &mallory.key,
        |engram| engram.manifest.origin.log = lane,
        |memory| {
            says(memory, "LIES");
            let Entity::Fact { predicate, .. } = &mut memory.write.entity else { return };
            if predicate != "terms" {
                predicate.push('x');
            }
        },
    );
    let file = mallory.office.path("m.engram").display().to_string();
    there.karyon(&import_args(&file, "e", &mallory.key.public_key().to_string())).expect(0);
    let (file, key) = (honest.path("b.engram").display().to_string(), key_of(&honest));
    let done = there.karyon(&import_args(&file, "e", &key)).expect(0).json();
    assert_eq!(done["new"], 2, "{done}");
    let refused = done["refused"].as_array().unwrap();
    assert_eq!((refused.len(), &refused[0]["key"]), (3, &json!("terms")));
    assert_eq!(mallory.own(&there, &[])["new"], 5);
    let mut both = texts(&there, &TERMS);
    both.sort();
    assert_eq!(both, ["14 days net", "LIES"]);
}

#[test]
fn a_subject_that_is_called_like_a_number_is_left_out() {
    let (mallory, there) = (Mallory::with(office()), Place::new());
    let rename = |memory: &mut Memory| {
        let Entity::Fact { subject, predicate } = &mut memory.write.entity else { return };
        if predicate == "terms" {
            *subject = Vertex::Named("~1".into());
        }
    };
    for more in [&["--dry-run"][..], &[]] {
        let done = mallory.brings(&there, more, |_| (), rename).expect(0).json();
        assert_eq!(done["new"], 2, "{done}");
        let refused = done["refused"].as_array().unwrap();
        assert_eq!(refused.len(), 3);
        assert_eq!((&refused[0]["subject"], &refused[0]["key"]), (&json!("~1"), &json!("terms")));
        assert!(refused[0]["why"].as_str().unwrap().contains("say its name"), "{done}");
    }
    // The number means one subject.
    let found = recall(&there, "e", &["--subject", "~1"]);
    assert_eq!((found.len(), &found[0]["subject"]), (1, &json!("acme")));
}
