//! `karyon authority`: who may do what to the world outside, by the real program.

use std::fs;

use karyon_keys::KeyDirectory;
use karyon_log::Verb;
use karyon_statements::Statement;
use karyon_types::LogId;
use serde_json::{Value, json};

use crate::support::{Ended, Place, skipped};

const TERMS: &str = r#"
delegates = true

[[capability]]
action = "payment.transfer"
resource = "bank/acme"
approval = true
uses = 10
constraints = [
  { field = "amount", maximum = 100000 },
  { field = "amount", budget = 250000 },
  { field = "currency", one_of = ["EUR"] },
]
"#;

/// Without approvals, so that effects are admitted at once.
fn free() -> String {
    TERMS.replace("approval = true\n", "")
}

/// A directory `d` with a lease of ada's for the agent `payer`, on these terms.
fn office(terms: &str) -> Place {
    let place = Place::new();
    // These tests ask for what is denied, again and again.
    place.limits(
        "rejections_in_sequence = 1000\nfailures_in_sequence = 1000\ntasks_per_day = 1000\n",
    );
    place.karyon(&["key", "new", "ada"]).expect(0);
    place.karyon(&["authority", "new", "--data", "d"]).expect(0);
    place.write("terms.toml", terms);
    grant(&place, &["--reason", "pay the bills"]).expect(0);
    authority(&place, &["agent", "payer"]).expect(0);
    authority(&place, &["lease", "--grant", "1", "--to", "payer"]).expect(0);
    place
}

/// `karyon authority ARGS... --data d`, the data before a command behind `--`.
fn line<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let command = args.iter().position(|arg| *arg == "--").unwrap_or(args.len());
    let (args, command) = args.split_at(command);
    [&["authority"], args, &["--data", "d"], command].concat()
}

fn authority(place: &Place, args: &[&str]) -> Ended {
    place.karyon(&line(args))
}

fn grant(place: &Place, args: &[&str]) -> Ended {
    authority(place, &[&["grant", "--terms", "terms.toml"], args].concat())
}

const ASK: [&str; 7] =
    ["ask", "--lease", "1", "--action", "payment.transfer", "--resource", "bank/acme"];

/// Asks to pay an amount, in euros.
fn pay(place: &Place, amount: &str, more: &[&str]) -> Ended {
    let amount = format!("amount={amount}");
    authority(place, &[&ASK[..], &["--arg", &amount, "--arg", "currency=EUR"], more].concat())
}

fn show(place: &Place) -> Value {
    authority(place, &["show", "--json"]).expect(0).json()
}

/// The log's bytes, which a refusal that is not recorded leaves as they are.
fn records(place: &Place) -> Value {
    place.verified("d")["records"].clone()
}

#[test]
fn what_needs_an_approval_happens_once_and_only_as_approved() {
    let place = office(TERMS);
    let asked = pay(&place, "82000", &[]).expect(3);
    let asked = asked.says(&["(needs_approval)", "karyon authority approve 1 --data d"]);
    let shown = show(&place)["proposals"][0].clone();
    assert!(asked.err.contains(shown["digest"].as_str().unwrap()), "{asked:?}");
    assert_eq!(
        (&shown["state"], &shown["arguments"]["amount"]),
        (&"pending".into(), &82_000.into())
    );
    // Nothing is to be done yet, and nobody approves by accident.
    authority(&place, &["do", "1", "--", "touch", "done"]).expect(3).says(&["(unknown_target)"]);
    pay(&place, "82000", &["--proposal", "1"]).expect(3).says(&["(needs_approval)"]);
    let approve = authority(&place, &["approve", "1"]).expect(1);
    approve.says(&["payer", "payment.transfer", "bank/acme", "amount = 82000", "--yes"]);
    authority(&place, &["approve", "1", "--yes"]).expect(0);
    authority(&place, &["approve", "1", "--yes"]).expect(3).says(&["(already_approved)"]);

    for (amount, code) in [
        ("820000", "(exceeds_capability_amount)"),
        ("82001", "(no_matching_approval)"),
        ("-82000", "(exceeds_capability_amount)"),
        ("82000.0", "(exceeds_capability_amount)"),
        ("\"82000\"", "(exceeds_capability_amount)"),
    ] {
        let command = ["--proposal", "1", "--", "touch", "done"];
        pay(&place, amount, &command).expect(3).says(&[code]);
    }
    assert!(!place.path("done").exists());

    let script = "touch done; echo $KARYON_ACTION $KARYON_RESOURCE $KARYON_ARGUMENTS; \
                  test -z \"$KARYON_SIGNED_STATEMENT\"; echo ${#KARYON_EFFECT_KEY}";
    let done = pay(&place, "82000", &["--proposal", "1", "--", "sh", "-c", script]).expect(0);
    let expected =
        "payment.transfer bank/acme {\"amount\":82000,\"currency\":\"EUR\"}\n64\n".to_owned();
    assert_eq!(done.out, expected);
    assert!(place.path("done").exists());
    let again = pay(&place, "82000", &["--proposal", "1", "--", "touch", "twice"]);
    again.expect(3).says(&["(no_matching_approval)"]);
    assert!(!place.path("twice").exists());
    let shown = show(&place);
    assert_eq!(shown["proposals"][0]["state"], "used");
    assert_eq!(shown["leases"][0]["terms"]["capabilities"][0]["constraints"][1]["left"], 168_000);
    place.verified("d");
}

#[test]
fn another_principal_approves_if_the_log_knows_them() {
    let place = office(TERMS);
    pay(&place, "5", &[]).expect(3);
    place.karyon(&["key", "new", "grace"]).expect(0);
    let by_grace = ["approve", "1", "--principal", "grace", "--yes"];
    authority(&place, &by_grace).expect(3).says(&["grace", "(unknown_principal)"]);
    authority(&place, &["approve", "1", "--principal", "nobody", "--yes"]).expect(1);
    // Whoever grants something answers here.
    grant(&place, &["--reason", "audit", "--principal", "grace"]).expect(0);
    authority(&place, &by_grace).expect(0);
    pay(&place, "5", &["--proposal", "1", "--", "true"]).expect(0);
    // But not for what ada granted.
    let revoke = ["revoke", "grant:1", "--principal", "grace"];
    authority(&place, &revoke).expect(3).says(&["(not_answerable)"]);
}

#[test]
fn a_part_is_passed_on_and_never_more() {
    let place = office(&free());
    authority(&place, &["agent", "helper"]).expect(0);
    place.write("less.toml", &free().replace("uses = 10", "uses = 2").replace("250000", "1000"));
    let delegate = ["delegate", "--lease", "1", "--to", "helper", "--terms", "less.toml"];
    let made = authority(&place, &[&delegate[..], &["--json"]].concat()).expect(0).json();
    assert_eq!(made["lease"], 2);
    let from = &show(&place)["leases"][0]["terms"]["capabilities"][0];
    assert_eq!((&from["uses_left"], &from["constraints"][1]["left"]), (&8.into(), &249_000.into()));
    place.write("less.toml", &free().replace("100000", "100001"));
    authority(&place, &delegate).expect(3).says(&["wider", "amount", "(wider_lease)"]);
    place.write("less.toml", &free());
    authority(&place, &delegate).expect(3).says(&["(wider_lease)"]);
    // What a lease comes from holds it.
    authority(&place, &["suspend", "lease:1"]).expect(0);
    authority(&place, &delegate).expect(3).says(&["(lease_suspended)"]);
    let shown = show(&place);
    assert_eq!(
        (&shown["leases"][1]["standing"], &shown["leases"][1]["code"]),
        (&"open".into(), &"lease_suspended".into())
    );
    let text = authority(&place, &["show"]).expect(0).out;
    assert!(
        text.contains("  2  helper (2), from lease 1, for reason 1  [lease_suspended]"),
        "{text}"
    );
}

#[test]
fn orders_hold_and_are_given_once() {
    let place = office(&free());
    let log = LogId(hex(show(&place)["log_id"].as_str().unwrap()));
    // The node needs no key of a principal: the order comes signed, and the secret is away.
    let keys = KeyDirectory::at(place.keys());
    let key = keys.load_principal_key("ada").unwrap();
    let order = |number, log| {
        let (verb, kind) = (Verb::Suspend as u8, 1);
        let signed = Statement::Order { verb, kind, target: 1, number }.sign(log, &key).encode();
        signed.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let secret = find(&place.keys(), "ada.key");
    fs::rename(&secret, place.path("away")).unwrap();
    let give = |args: &[&str], signed: &str| {
        let args = line(args);
        place.node(&args, &json!({ "statement": signed }), &[])
    };
    let suspend = ["suspend", "agent:payer"];
    let first = order(7, log);
    give(&suspend, &first).expect(0);
    pay(&place, "1", &[]).expect(3).says(&["(agent_halted)"]);
    let again = give(&suspend, &first);
    again.expect(3).says(&["(order_replayed)"]);
    give(&suspend, &order(6, log)).expect(3).says(&["(order_replayed)"]);
    give(&suspend, &order(8, log)).expect(3).says(&["(already_so)"]);
    give(&suspend, &order(8, LogId([9; 16]))).expect(3).says(&["(other_log)"]);
    give(&["revoke", "agent:payer"], &order(8, log)).expect(3).says(&["something else was signed"]);
    give(&["approve", "1"], &order(8, log)).expect(3).says(&["something else was signed"]);
    let mut forged = order(8, log);
    forged.replace_range(100..101, if &forged[100..101] == "0" { "1" } else { "0" });
    give(&suspend, &forged).expect(3);
    for bad in ["", "0", "zz", "00", &format!("{first}00"), &first[..first.len() - 1]] {
        give(&suspend, bad).expect(3).says(&["(malformed_statement)"]);
    }
    authority(&place, &["resume", "agent:payer"]).expect(1).says(&["ada"]);
    fs::rename(place.path("away"), secret).unwrap();

    authority(&place, &["resume", "agent:payer"]).expect(0);
    authority(&place, &["resume", "agent:1"]).expect(3).says(&["(not_suspended)"]);
    pay(&place, "1", &["--", "true"]).expect(0);
    for target in ["lease:1", "grant:1", "reason:1", "principal:ada"] {
        authority(&place, &["suspend", target]).expect(0);
        pay(&place, "1", &[]).expect(3).says(&["(lease_suspended)"]);
        authority(&place, &["resume", target]).expect(0);
    }
    let revoked = authority(&place, &["revoke", "lease:1", "--json"]).expect(0).json();
    assert_eq!(revoked["in_flight"], 0);
    pay(&place, "1", &[]).expect(3).says(&["(lease_revoked)"]);
    authority(&place, &["resume", "lease:1"]).expect(3).says(&["(already_so)"]);
    place.verified("d");
}

#[test]
fn while_an_effect_is_done_others_wait_and_an_order_says_so() {
    let place = office(&free());
    let go = place.path("go");
    let wait = format!("while [ ! -e {} ]; do sleep 0.01; done; echo ended", go.display());
    let args = [&ASK[..], &["--arg", "amount=1", "--arg", "currency=EUR", "--", "sh", "-c", &wait]];
    let mut doing = place.start(&line(&args.concat()));
    doing.wait_until(|| {
        show(&place)["effects"].as_array().is_some_and(|effects| !effects.is_empty())
    });
    assert_eq!(show(&place)["effects"][0]["state"], "in_flight");
    let order = ["revoke", "lease:1"];
    let told = authority(&place, &order).expect(1);
    told.says(&["in use by another command: nothing was ordered", "safety/STOP"]);
    pay(&place, "1", &[]).expect(1).says(&["in use"]);
    fs::write(&go, "").unwrap();
    assert_eq!(doing.end().expect(0).out, "ended\n");
    authority(&place, &order).expect(0);
    pay(&place, "1", &[]).expect(3).says(&["(lease_revoked)"]);
}

#[test]
fn killed_while_an_effect_is_done_nobody_does_it_again() {
    let place = office(&free());
    let args = [&ASK[..], &["--arg", "amount=200000"]].concat();
    authority(&place, &args).expect(3);
    // With nothing of ours held open, or whoever reads it waits for the sleeper.
    let wait = "echo $$ > pid; exec sleep 600 2>/dev/null";
    let args =
        [&ASK[..], &["--arg", "amount=99999", "--arg", "currency=EUR", "--", "sh", "-c", wait]];
    let mut doing = place.start(&line(&args.concat()));
    doing.wait_until(|| fs::read_to_string(place.path("pid")).is_ok_and(|pid| pid.ends_with('\n')));
    doing.kill();
    let pid = fs::read_to_string(place.path("pid")).unwrap();
    std::process::Command::new("sh").args(["-c", &format!("kill {pid}")]).status().unwrap();
    pay(&place, "1", &[]).expect(4).says(&["safe mode", "karyon safety resume"]);
    authority(&place, &["suspend", "lease:1"]).expect(4);
    authority(&place, &["show"]).expect(0);
    place.end_safe_mode("d", "looked at the bank");
    authority(&place, &["do", "1", "--", "touch", "twice"]).expect(3).says(&["(unknown_target)"]);
    assert!(!place.path("twice").exists());
    let shown = show(&place);
    assert_eq!(shown["effects"][0]["state"], "unknown");
    // It may have happened: what it took stays reserved.
    let capability = &shown["leases"][0]["terms"]["capabilities"][0];
    assert_eq!(
        (&capability["uses_left"], &capability["constraints"][1]["left"]),
        (&9.into(), &150_001.into())
    );
    place.verified("d");
}

#[test]
fn stop_and_other_directories_are_told_apart() {
    let place = office(&free());
    fs::write(place.path("d/safety/STOP"), "").unwrap();
    pay(&place, "1", &["--", "touch", "done"]).expect(4).says(&["STOP"]);
    authority(&place, &["suspend", "lease:1"]).expect(4);
    authority(&place, &["show"]).expect(0);
    fs::remove_file(place.path("d/safety/STOP")).unwrap();
    pay(&place, "1", &["--", "true"]).expect(0);
    place.karyon(&["authority", "new", "--data", "d"]).expect(1);
    place.karyon(&["authority", "show", "--data", "e"]).expect(1).says(&["authority new"]);
    place.write("c.txt", "a b 1\n");
    place.karyon(&["run", "rumour", "--contacts", "c.txt", "--data", "run"]).expect(0);
    place.karyon(&["authority", "show", "--data", "run"]).expect(1).says(&["holds a run"]);
    place.karyon(&["authority", "agent", "x", "--data", "run"]).expect(1);
    place.verified("run");
}

#[test]
fn a_command_that_fails_is_told_and_its_output_is_hashed() {
    let place = office(&free());
    let failed = pay(&place, "7", &["--json", "--", "sh", "-c", "echo out; exit 3"]).expect(1);
    assert!(failed.err.contains("out\n"), "{failed:?}");
    let object = failed.json();
    assert_eq!((&object["status"], &object["exit_code"]), (&"failed".into(), &1.into()));
    assert_eq!(object["payload"], karyon_types::hash(b"out\n").to_string());
    let missing = pay(&place, "7", &["--", "./no-such-command"]).expect(1);
    missing.says(&["failed", "no-such-command cannot be run"]);
    // What failed took nothing of the budget. How far came what was killed, nobody knows.
    let killed = pay(&place, "7", &["--", "sh", "-c", "kill -9 $$"]).expect(1);
    killed.says(&["outcome_unknown", "signal: 9"]);
    let left = &show(&place)["leases"][0]["terms"]["capabilities"][0]["constraints"][1]["left"];
    assert_eq!(*left, 249_993);
}

#[test]
fn bad_input_is_told_and_changes_nothing() {
    let place = office(&free());
    let before = records(&place);
    let lease = ["lease", "--grant", "1", "--to"];
    for (args, words) in [
        (&["agent", "payer"][..], "called \"payer\" already"),
        (&["agent", "12"], "is a number"),
        (&["suspend", "payer"], "is no target"),
        (&["suspend", "lease:x"], "is no target"),
        (&["suspend", "planet:1"], "is no target"),
        (&["grant", "--terms", "none.toml", "--reason", "x"], "none.toml cannot be read"),
        (&[&ASK[..], &["--arg", "amount"]].concat(), "NAME=VALUE"),
        (&[&ASK[..], &["--arg", "a=1", "--arg", "a=2"]].concat(), "given twice"),
        (&[&ASK[..], &["--args", "[1]"]].concat(), "JSON object"),
        (&[&ASK[..], &["--args", "{\"a\":1,\"a\":2}"]].concat(), "given twice"),
    ] {
        let ended = authority(&place, args).expect(1).says(&[words]);
        assert!(!ended.err.contains("panicked"), "{ended:?}");
    }
    place.write("bad.toml", "[[capability]]\naction = \"a\"\nresourse = \"b\"\n");
    let bad = ["grant", "--terms", "bad.toml", "--reason", "x"];
    authority(&place, &bad).expect(1).says(&["bad.toml", "line 3", "did you mean \"resource\"?"]);
    for (args, words) in [
        (&["suspend", "agent:nobody"][..], "payer (1)"),
        (&["approve", "9", "--yes"], "(unknown_target)"),
        (&[&lease[..], &["nobody"]].concat(), "(unknown_target)"),
        (&["delegate", "--lease", "9", "--to", "payer", "--terms", "terms.toml"], "no lease 9"),
    ] {
        authority(&place, args).expect(3).says(&[words]);
    }
    for args in [
        &["ask"][..],
        &["do", "1"],
        &["approve", "x"],
        &["approve", "1", "--valid", "0"],
        &[&ASK[..], &["--within", "99999999999999"]].concat(),
    ] {
        authority(&place, args).expect(2);
    }
    assert_eq!(records(&place), before);
    // These reach the node, whose start is recorded; the ledger refuses them.
    for (args, words) in [
        (&["suspend", "lease:9"][..], "(unknown_target)"),
        (&["agent", " "], "(malformed_text)"),
        (&[&lease[..], &["9"]].concat(), "(unknown_target)"),
        (&["grant", "--terms", "terms.toml", "--reason", " "], "reason"),
        (&["grant", "--terms", "terms.toml", "--reason", "x", "--under", "9"], "(unknown_target)"),
    ] {
        authority(&place, args).expect(3).says(&[words]);
    }
    pay(&place, "1", &["--", "true"]).expect(0);
}

#[test]
fn what_was_admitted_is_done_by_a_later_command() {
    let place = office(&free());
    let effect = pay(&place, "7", &["--json"]).expect(0).json();
    assert_eq!((&effect["answer"], &effect["effect"]), (&"admitted".into(), &1.into()));
    let told = pay(&place, "8", &[]).expect(0).out;
    assert!(told.contains("karyon authority do 2 --data d"), "{told}");
    authority(&place, &["agent", "other"]).expect(0);
    authority(&place, &["do", "1", "--", "touch", "done"]).expect(0);
    assert!(place.path("done").exists());
    authority(&place, &["do", "1", "--", "touch", "twice"]).expect(3).says(&["(unknown_target)"]);
    assert!(!place.path("twice").exists());
    let revoked = authority(&place, &["revoke", "agent:payer", "--json"]).expect(0).json();
    assert_eq!(revoked["in_flight"], 1);
    let late = authority(&place, &["do", "2", "--", "touch", "twice"]).expect(3);
    late.says(&["(lease_revoked)"]);
    assert!(!place.path("twice").exists());
    place.verified("d");
}

#[test]
fn every_command_shows_an_example_of_itself() {
    let place = Place::new();
    for command in [
        "new", "show", "grant", "agent", "lease", "delegate", "ask", "do", "approve", "suspend",
        "resume", "revoke",
    ] {
        let help = place.karyon(&["authority", command, "--help"]).expect(0).out;
        assert!(help.contains(&format!("  karyon authority {command} ")), "{help}");
    }
}

#[test]
fn a_person_at_a_terminal_is_asked_for_the_approval() {
    let place = office(TERMS);
    pay(&place, "5", &[]).expect(3);
    let answer = |answer: &str| {
        let program = format!("'{}' authority approve 1 --data d", env!("CARGO_BIN_EXE_karyon"));
        let mut terminal = std::process::Command::new("script")
            .args(["-qec", &program, "/dev/null"])
            .current_dir(place.path(""))
            .env("KARYON_CONFIG_HOME", place.keys())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .ok()?;
        use std::io::{Read as _, Write as _};
        let mut keyboard = terminal.stdin.take().unwrap();
        keyboard.write_all(answer.as_bytes()).unwrap();
        let mut said = String::new();
        terminal.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        Some((terminal.wait().unwrap().code(), said))
    };
    let Some((code, said)) = answer("y\n") else {
        return skipped("the question at a terminal: there is no `script`");
    };
    assert!(code != Some(0) && said.contains("amount = 5"), "{said}");
    assert_eq!(show(&place)["proposals"][0]["state"], "pending");
    let (code, said) = answer("yes\n").unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(show(&place)["proposals"][0]["state"], "approved");
}

/// The bytes that a text spells in hexadecimal.
fn hex(text: &str) -> [u8; 16] {
    std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
}

/// A file by its name, somewhere below a folder.
fn find(folder: &std::path::Path, name: &str) -> std::path::PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.file_name().is_some_and(|found| found == name) => return path,
                false => {}
            }
        }
    }
    panic!("no {name}")
}
