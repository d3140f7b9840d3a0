//! How long what somebody answers for may be, and what an engram of it may bring: told before
//! anything is made.

use karyon_memory_ops::{Content, Entity, Value as Property};
use serde_json::json;

use crate::governed::{FOREVER, recall, shows, told};
use crate::governed_engrams::{export, forge, import_args, key_of, office};
use crate::support::Place;

#[test]
fn what_can_be_remembered_can_be_carried() {
    let (place, there) = (Place::new(), Place::new());
    let remember = |key: &str, text: &str| {
        let args = [&["memory", "remember", "acme", key, text, "--data", "d"], &FOREVER[..]];
        place.karyon(&args.concat())
    };
    // Nothing is made for what cannot be remembered.
    remember(&"k".repeat(224), "text").expect(1).says(&["a key has at most 223 bytes"]);
    remember("k", &"t".repeat(61_400)).expect(1).says(&["61440 can be carried", "say less"]);
    let long = "r".repeat(1_001);
    let args = ["memory", "remember", "a", "b", "c", "--keep", "1d", "--reason", &long];
    place.karyon(&[&args[..], &["--data", "d"]].concat()).expect(1).says(&["at most 1000 bytes"]);
    // Sealed it would fit; as an engram tells it, it does not.
    let tags: Vec<_> =
        (10_000..19_000).flat_map(|tag| ["--tag".to_owned(), tag.to_string()]).collect();
    let tags: Vec<_> = tags.iter().map(String::as_str).collect();
    let args = ["memory", "remember", "a", "b", "c", "--data", "d"];
    place.karyon(&[&args[..], &FOREVER, &tags].concat()).expect(1).says(&["can be carried"]);
    assert!(!place.path("d").exists());
    assert_eq!(std::fs::read_dir(place.keys().join("keystores")).into_iter().flatten().count(), 0);

    let (key, text) = ("k".repeat(223), "t".repeat(61_200));
    remember(&key, "text").expect(0);
    remember("k", &text).expect(0);
    let numbered = ["memory", "remember", "~1", "k", "text", "--data", "d"];
    place.karyon(&[&numbered[..], &FOREVER].concat()).expect(1).says(&["say its name"]);
    assert_eq!(export(&place, "d", "o.engram", &["--subject", "acme"])["memories"], 2);
    let file = place.path("o.engram").display().to_string();
    let done = there.karyon(&import_args(&file, "e", &key_of(&place))).expect(0).json();
    assert_eq!((&done["new"], &done["refused"]), (&json!(2), &json!([])));
    let found = recall(&there, "e", &["--key", &key]);
    assert_eq!(found[0]["text"], "text");
    assert_eq!(recall(&there, "e", &["--key", "k"])[0]["text"], text.as_str());
}

#[test]
fn what_cannot_be_recorded_is_named_and_left_out_with_what_it_replaces() {
    let (place, there) = (office(), Place::new());
    export(&place, "d", "o.engram", &["--subject", "acme", "deploys"]);
    let node = karyon_identity::SecretKey::from_seed([9; 32]).unwrap();
    let trusted = node.public_key().to_string();
    let file = place.path("m.engram").display().to_string();
    let args = import_args(&file, "e", &trusted);
    // The second of three versions of the terms is too long here, and a key is.
    forge(
        &place,
        &node,
        |_| (),
        |memory| {
            let Content::Present { properties, .. } = &mut memory.write.content else { return };
            if properties.get("reason") == Some(&Property::Text("reason 1".into())) {
                properties.insert("text".into(), Property::Text("x".repeat(65_200)));
            }
            if let Entity::Fact { predicate, .. } = &mut memory.write.entity
                && predicate == "friday"
            {
                *predicate = "f".repeat(224);
            }
        },
    );
    let tried = there.karyon(&[&args[..], &["--dry-run"]].concat()).expect(0).json();
    assert!(!there.path("e").exists());
    let done = there.karyon(&args).expect(0).json();
    for told in [&tried, &done] {
        assert_eq!(told["new"], 1, "{told}");
        let refused = told["refused"].as_array().unwrap();
        assert_eq!(refused.len(), 4);
        let why = |key: &str| {
            let of_key = refused.iter().filter(|refused| refused["key"] == key);
            of_key.map(|refused| refused["why"].as_str().unwrap()).collect::<Vec<_>>()
        };
        assert!(why(&"f".repeat(224))[0].contains("its key has 257 bytes"), "{told}");
        let terms = why("terms");
        assert!(terms[1].contains("longer than 65536 bytes"), "{told}");
        assert!(terms[0].contains("belongs to record #") && terms[2] == terms[0], "{told}");
    }
    assert_eq!(recall(&there, "e", &[])[0]["text"], "CANARY");
    // Where nothing can come in, nothing is made.
    forge(
        &place,
        &node,
        |_| (),
        |memory| {
            if let Entity::Fact { predicate, .. } = &mut memory.write.entity {
                predicate.push_str(&"f".repeat(223));
            }
        },
    );
    let args: Vec<_> =
        import_args(&file, "f", &trusted).into_iter().filter(|arg| *arg != "--json").collect();
    let none = there.karyon(&args).expect(3);
    shows(&none, &["5 left out, as they cannot be recorded here:", "acme secretfff"]);
    assert!(!there.path("f").exists());
    shows(&there.karyon(&[&args[..], &["--dry-run"]].concat()).expect(3), &["5 left out"]);
    let nobody = [&args[..], &["--owner", ""]].concat();
    there.karyon(&nobody).expect(1).says(&["nobody answers for them who is called"]);
}

/// What is erased hides nothing that is said since, whenever that begins.
#[test]
fn what_begins_before_something_erased_is_found() {
    let place = Place::new();
    let since = |day: &'static str| [&FOREVER[..], &["--since", day]].concat();
    told(&place, "remember", ["acme", "k", "one"], &since("2020-01-01"));
    let forget = ["memory", "forget", "acme", "--key", "k", "--reason", "r", "--data", "d"];
    place.karyon(&forget).expect(0);
    told(&place, "remember", ["acme", "k", "two"], &since("2019-01-01"));
    assert_eq!(recall(&place, "d", &["--subject", "acme"])[0]["text"], "two");
    for day in ["2019-06-01", "2020-06-01"] {
        assert_eq!(recall(&place, "d", &["--at", day])[0]["text"], "two", "{day}");
    }
    // It replaced nothing: there was nothing any more.
    let history = recall(&place, "d", &["--subject", "acme", "--key", "k", "--history"]);
    assert_eq!((history.len(), &history[0]["text"]), (2, &json!("two")));
    assert_eq!((&history[1]["erased"], &history[1]["replaced_by"]), (&json!(true), &json!(null)));
    // And is replaced as anything else.
    told(&place, "supersede", ["acme", "k", "three"], &FOREVER);
    let found = &recall(&place, "d", &["--subject", "acme"])[0];
    assert_eq!((&found["text"], &found["supersedes"]), (&json!("three"), &history[0]["record"]));
}
