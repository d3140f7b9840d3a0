//! A run is asked about its agents from outside while it is under way.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use karyon_boundary::{At, Client, ClientError, Hello, List, Process, Status};

use crate::replay::change_a_payload;
use crate::support::{Ended, PATIENCE, Place, Running, long_contacts};

/// What the node in `data` says of itself; `None`: nobody listens there yet.
fn hello(data: &Path) -> Option<Hello> {
    Client::connect(data, "test", PATIENCE).ok().map(|client| client.hello().clone())
}

/// Each command that asks a node, about an agent where it needs one.
const ASKING: [&[&str]; 7] = [
    &["ps"],
    &["inspect", "1"],
    &["pause", "1"],
    &["resume", "1"],
    &["kill", "1"],
    &["restart", "1"],
    &["fork", "1"],
];

#[test]
fn a_run_is_asked_while_it_is_under_way_and_by_nobody_afterwards() {
    let place = Place::new();
    let (data, socket) = (place.path("d"), place.path("d/node.sock"));
    let mut running = place.start_long("d");
    let mut said = None;
    running.wait_until(|| {
        said = hello(&data);
        said.is_some()
    });
    let found = fs::symlink_metadata(&socket).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o7777, 0o600);
    // As root the node is another user, who has the directory.
    assert_eq!(found.uid(), fs::metadata(&data).unwrap().uid());
    running.signal("INT");
    running.end().expect(130);
    assert!(!socket.exists());
    let (said, report) = (said.unwrap(), place.verified("d"));
    assert_eq!((said.boot, said.protocol), (1, 1));
    assert_eq!(report["log_id"], said.log, "{report}");
    for command in ASKING {
        let args = [command, &["--data", "d"]].concat();
        let refused = place.karyon(&args).expect(1);
        let refused = refused.says(&["no node runs in d", "hint: start a run with `karyon run"]);
        assert!(refused.out.is_empty());
        let answer = place.karyon(&[&args[..], &["--json"]].concat()).expect(1).json();
        assert_eq!(answer["exit_code"], 1);
    }
}

#[test]
fn what_a_killed_node_leaves_behind_is_nobody() {
    let place = Place::new();
    let (data, socket) = (place.path("d"), place.path("d/node.sock"));
    let mut running = place.start_long("d");
    running.wait_until(|| hello(&data).is_some());
    running.kill();
    assert!(socket.exists(), "nothing is shown by this");
    place.karyon(&["ps", "--data", "d"]).expect(1).says(&["no node runs in d"]);
    place.end_safe_mode("d", "it was killed");
    let mut running = place.start(&["resume", "--data", "d", "--schedulers", "1"]);
    running.wait_until(|| hello(&data).is_some_and(|hello| hello.boot == 2));
    running.signal("TERM");
    running.end().expect(143);
    assert!(!socket.exists());
}

#[test]
fn what_is_asked_in_vain_is_told_why() {
    let place = Place::new();
    for command in ASKING {
        let args = [command, &["--data", "nowhere"]].concat();
        place.karyon(&args).expect(1).says(&["there is no data directory nowhere"]);
    }
    // Somebody has the directory, and is no run.
    fs::create_dir(place.path("d")).unwrap();
    let lock = fs::File::create(place.path("d/lock")).unwrap();
    lock.lock().unwrap();
    place.karyon(&["ps", "--data", "d"]).expect(1).says(&["d is in use, but nobody there"]);
    for usage in [
        &["resume", "1", "--schedulers", "2", "--data", "d"][..],
        &["ps", "--limit", "1001", "--data", "d"],
        &["ps", "--limit", "0", "--data", "d"],
        &["ps", "--sort", "size", "--data", "d"],
        &["inspect", "--data", "d"],
    ] {
        place.karyon(usage).expect(2);
    }
}

/// Whom the run of [`Held`] waits for.
const PAUSED: u64 = 17;

/// A run of which one agent was paused: it does not end before that one is resumed.
struct Held<'a> {
    place: &'a Place,
    running: Running,
    client: Client,
}

impl<'a> Held<'a> {
    /// Starts it, and pauses that agent as soon as there is one.
    fn start(place: &'a Place) -> Held<'a> {
        let args =
            ["run", "rumour", "--contacts", long_contacts(), "--data", "d", "--schedulers", "2"];
        let mut held = Held::connect(place, place.start(&args));
        let Held { running, client, .. } = &mut held;
        running.wait_until(|| match client.pause(PAUSED) {
            Ok(_) => true,
            Err(ClientError::Failed(why)) if why.data.code == "not_running" => false,
            Err(error) => panic!("{error}"),
        });
        held
    }

    fn resume(place: &'a Place) -> Held<'a> {
        let args = ["resume", "--data", "d", "--schedulers", "1"];
        Held::connect(place, place.start(&args))
    }

    fn connect(place: &'a Place, mut running: Running) -> Held<'a> {
        let mut client = None;
        running.wait_until(|| {
            client = Client::connect(&place.path("d"), "test", PATIENCE).ok();
            client.is_some()
        });
        Held { place, running, client: client.unwrap() }
    }

    /// Waits until the run waits: more answers than there are between two ticks name one moment.
    fn waits(&mut self) -> At {
        let Held { running, client, .. } = self;
        let (mut same, mut last) = (0, None);
        running.wait_until(|| {
            let at = client.list(&List { limit: Some(1), ..List::default() }).ok();
            same =
                if at.is_some() && at.as_ref().map(|it| it.at.tick) == last { same + 1 } else { 0 };
            last = at.as_ref().map(|it| it.at.tick);
            same == 100
        });
        client.list(&List::default()).unwrap().at
    }

    fn agent(&mut self, id: u64) -> Process {
        self.client.inspect(id).unwrap().process
    }

    fn paused(&mut self) -> Vec<u64> {
        let list = List { status: Some(Status::Paused), ..List::default() };
        self.client.list(&list).unwrap().processes.iter().map(|found| found.id).collect()
    }

    /// A command about the run.
    fn asks(&self, args: &[&str]) -> Ended {
        self.place.karyon(&[args, &["--data", "d"]].concat())
    }

    /// The run goes on to its end, and its record repeats.
    fn ends(self) {
        self.asks(&["resume", "17"]).expect(0);
        let ended = self.running.end().expect(0);
        ended.says(&["the run waits: agent 17 is paused", "hint: `karyon resume 17 --data d`"]);
        let report = self.place.verified("d");
        assert_eq!(report["state"], "sealed");
        for schedulers in ["1", "3"] {
            let args = ["replay", "--verify", "--data", "d", "--json", "--schedulers", schedulers];
            let replay = self.place.karyon(&args).expect(0).json();
            assert_eq!(replay["state_root"], report["state_root"], "{replay}");
        }
    }
}

/// The orders in the record, in words.
fn orders(place: &Place) -> Vec<String> {
    let out = place.karyon(&["audit", "export", "--data", "d", "--out", "-"]).expect(0).out;
    let lines = out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let orders = lines.filter(|line| line["view"]["kind"] == "order");
    orders.map(|line| line.to_string()).collect()
}

#[test]
fn each_order_is_carried_out_recorded_and_repeated() {
    let place = Place::new();
    let mut held = Held::start(&place);
    assert_eq!(held.paused(), [PAUSED]);
    let pause = held.asks(&["pause", "18", "--json"]).expect(0).json();
    assert_eq!((&pause["done"], &pause["id"]), (&"paused".into(), &18.into()), "{pause}");
    assert!(pause["at"]["tick"].is_u64() && pause["at"]["records"].is_u64(), "{pause}");
    assert_eq!(held.paused(), [PAUSED, 18]);
    held.asks(&["pause", "18"]).expect(1).says(&["agent 18: it is paused already"]);
    assert!(held.asks(&["resume", "18"]).expect(0).out.contains("agent 18 was resumed (tick "));
    held.asks(&["resume", "18"]).expect(1).says(&["agent 18: it is not paused"]);
    held.asks(&["kill", "19"]).expect(0);
    let name = held.agent(20).name;
    held.asks(&["restart", &name]).expect(0);
    held.asks(&["restart", &format!("name:{name}")]).expect(0);
    assert_eq!([18, 19, 20].map(|id| held.agent(id).restarts), [0, 1, 2]);
    for (wrong, says) in [
        ("0", "agent 0: no such agent (unknown_agent)"),
        ("2001", "agent 2001: no such agent (unknown_agent)"),
        ("nobody", "no agent is called nobody"),
        ("name:17", "no agent is called 17"),
        ("id:x", "behind id: stands a number"),
    ] {
        for verb in ["inspect", "pause", "resume", "kill", "restart"] {
            let refused = held.asks(&[verb, wrong]).expect(1).says(&[says]);
            assert!(refused.out.is_empty(), "{refused:?}");
        }
    }
    // It waits, and whatever is asked then is durable.
    let at = held.waits();
    assert!(!at.provisional, "{at:?}");
    let seen = held.asks(&["inspect", "17"]).expect(0).out;
    for part in ["What is running", "  paused; waiting for it: ", "run the scenario rumour"] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    let listed = held.asks(&["ps", "--sort", "mailbox", "--desc", "--limit", "1"]).expect(0).out;
    assert!(listed.lines().nth(1).unwrap().contains("  paused  "), "{listed}");
    held.ends();
    let orders = orders(&place);
    assert_eq!(orders.len(), 7, "{orders:?}");
    for (order, verb) in
        orders.iter().zip(["pause", "pause", "resume", "kill", "restart", "restart", "resume"])
    {
        assert!(order.contains(verb), "{verb}: {order}");
    }
}

#[test]
fn two_ask_at_the_same_time_and_are_told_the_same() {
    let place = Place::new();
    let mut held = Held::start(&place);
    let at = held.waits();
    let data = place.path("d");
    let askers: Vec<_> = (0..2)
        .map(|_| {
            let mut client = Client::connect(&data, "another", PATIENCE).unwrap();
            std::thread::spawn(move || {
                let ask = |_| client.inspect(PAUSED).unwrap();
                (0..200).map(ask).map(|it| (it.at.records, it.process.mailbox)).collect::<Vec<_>>()
            })
        })
        .collect();
    let mut told: Vec<_> = askers.into_iter().flat_map(|it| it.join().unwrap()).collect();
    told.dedup();
    assert_eq!(told, [(at.records, held.agent(PAUSED).mailbox)]);
    held.ends();
}

#[test]
fn an_order_outlives_kill_9_and_ctrl_c() {
    let place = Place::new();
    let mut held = Held::start(&place);
    held.waits();
    held.asks(&["kill", "5"]).expect(0);
    let (at, waiting) = (held.waits(), held.agent(PAUSED).mailbox);
    assert!(!at.provisional, "it is durable before the run waits");
    held.running.kill();
    place.end_safe_mode("d", "it was killed");
    let mut held = Held::resume(&place);
    assert_eq!(held.waits(), at);
    assert_eq!(held.paused(), [PAUSED]);
    assert_eq!((held.agent(5).restarts, held.agent(PAUSED).mailbox), (1, waiting));
    held.running.signal("INT");
    held.running.end().expect(130);
    let mut held = Held::resume(&place);
    assert_eq!(held.waits().tick, at.tick);
    held.ends();
}

#[test]
fn a_fork_in_a_run_that_is_under_way_outlives_a_kill_and_is_replayed() {
    let place = Place::new();
    let data = place.path("d");
    // At a pace, so that it does not end before it was asked.
    let contacts = long_contacts();
    let run = ["run", "rumour", "--contacts", contacts, "--rate", "2000", "--chaos", "0.05"];
    let mut running = place.start(&[&run[..], &["--data", "d"]].concat());
    let answers = |mut client: Client| client.list(&List::default()).is_ok();
    running.wait_until(|| Client::connect(&data, "test", PATIENCE).is_ok_and(answers));
    let fork = |agent: &str| {
        let answer = place.karyon(&["fork", agent, "--json", "--data", "d"]).expect(0).json();
        assert_eq!(answer["done"], "forked");
        answer["child"].as_u64().unwrap()
    };
    let child = fork("id:1");
    let again = format!("id:{child}");
    assert_eq!(fork(&again), child + 1, "a fork of a fork");
    let inspect = |agent: &str| {
        let args = ["inspect", agent, "--json", "--data", "d"];
        place.karyon(&args).expect(0).json()
    };
    let mut found = inspect(&again);
    let name = found["process"]["name"].as_str().unwrap().to_owned();
    assert!(name.ends_with(&format!("/fork-{child}")), "{name}");
    assert_eq!(inspect(&format!("name:{name}"))["process"]["id"], child);
    running.wait_until(|| {
        found = inspect(&again);
        found["at"]["provisional"] == false
    });
    running.kill();
    place.end_safe_mode("d", "it was killed");
    let replay = ["replay", "--verify", "--data", "d", "--json"];
    place.karyon(&replay).expect(0);
    place.karyon(&["resume", "--data", "d", "--schedulers", "2"]).expect(0);
    let told = place.karyon(&replay).expect(0).json();
    place.karyon(&["audit", "orphans", "--data", "d"]).expect(0);
    let sealed = place.verified("d");
    assert_eq!(sealed["state"], "sealed");
    assert_eq!(told["state_root"], sealed["state_root"]);

    // Behind the forks, and every hash and signature made anew.
    let victim = change_a_payload(&place, sealed["records"].as_u64().unwrap() / 4 * 3);
    let told = place.karyon(&replay).expect(5).json();
    assert_eq!((&told["confirmed"], &told["record"]), (&false.into(), &victim.into()));
}
