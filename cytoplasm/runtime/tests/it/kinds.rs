//! Several kinds of agents in one run, each with what holds for it.

use std::sync::Arc;

use karyon_log::{Record, Records};
use karyon_runtime::{
    Agent, AgentKind, AnyAgent, Context, Event, Failure, KindOf, Kinds, KindsError, Outcome,
    Restart, RestartFrom, add_state, codec,
};
use karyon_types::Hasher;
use serde::{Deserialize, Serialize};

use crate::support::*;
use Order::{Add, Panic, Send};

/// A puppet of another name, that goes on elsewhere after a crash.
macro_rules! puppet {
    ($name:ident $restart:ident $from:expr) => {
        #[derive(Default, Serialize, Deserialize)]
        struct $name(Puppet<0, 0>);

        impl Agent for $name {
            const KIND: AgentKind = AgentKind {
                name: stringify!($name),
                version: 3,
                restart: Restart::$restart,
                restart_from: $from,
            };

            fn handle(&mut self, event: Event<'_>, out: &mut Context<'_>) -> Result<(), Failure> {
                self.0.handle(event, out)
            }
        }
    };
}

puppet!(Forgetful Permanent RestartFrom::Init);
puppet!(Faithful Permanent RestartFrom::LastGood { redeliver: 2 });
puppet!(Mayfly Temporary RestartFrom::Init);

#[derive(Clone, Copy)]
struct Cast {
    forgetful: KindOf<Forgetful>,
    faithful: KindOf<Faithful>,
    mayfly: KindOf<Mayfly>,
}

fn cast() -> (Kinds, Cast) {
    let mut kinds = Kinds::default();
    let forgetful = kinds.add().unwrap();
    let faithful = kinds.add().unwrap();
    let mayfly = kinds.add().unwrap();
    (kinds, Cast { forgetful, faithful, mayfly })
}

fn play(stage: &Stage, script: &Script) -> (Outcome<AnyAgent>, Vec<u8>) {
    let (_, cast) = cast();
    let init = move |id: karyon_types::AgentId| match id.0 % 3 {
        1 => cast.forgetful.agent(Forgetful::default()),
        2 => cast.faithful.agent(Faithful::default()),
        _ => cast.mayfly.agent(Mayfly::default()),
    };
    let disk = Disk::default();
    let (outcome, recorder) = stage.play_as(init, Arc::new(script.clone()), recorder(&disk));
    recorder.unwrap().close().unwrap();
    (outcome.unwrap(), records(&disk).unwrap())
}

fn script() -> Script {
    let orders = |to| vec![Send(to, vec![Add(1)]), Send(to, vec![Panic]), Send(to, vec![Add(10)])];
    let last = (1..=4).map(|to| (4, to, vec![Add(100)]));
    Script::new((1..=4).map(|to| (0, 5 - to, orders(to))).chain(last))
}

fn root(outcome: &Outcome<AnyAgent>) -> String {
    let names: Vec<_> = (1..=4).map(|n| n.to_string()).collect();
    let mut hasher = Hasher::for_domain("test");
    add_state(outcome, &names, &mut hasher);
    hasher.finish().to_string()
}

#[test]
fn each_agent_is_restarted_as_its_own_kind_says() {
    let (one, records) = play(&Stage { schedulers: 1, ..Stage::default() }, &script());
    let (kinds, _) = cast();
    let sums: Vec<_> = one
        .agents
        .iter()
        .map(|agent| {
            let mut bytes = Vec::new();
            codec::encode(agent.as_ref()?, &mut bytes);
            // What an agent is comes back from its bytes alone.
            let again = kinds.decode(&bytes).unwrap();
            assert_eq!(again.kind(), agent.as_ref().unwrap().kind());
            let mut second = Vec::new();
            codec::encode(&again, &mut second);
            assert_eq!(second, bytes);
            assert!(kinds.decode(&bytes[..bytes.len() - 1]).is_none());
            // Two elements: the number, and bytes that are short enough for two bytes in front.
            let (front, state) = bytes.split_at(4);
            assert_eq!(front[..3], [0x92, bytes[1], 0xc4]);
            codec::decode::<Puppet<0, 0>>(state).map(|puppet| puppet.sum)
        })
        .collect();
    assert_eq!(sums, [Some(100), Some(111), None, Some(100)]);
    let spawned: Vec<_> = Records::new(&records)
        .filter_map(|record| match record.unwrap() {
            Record::Spawn { kind, .. } => Some(kind),
            _ => None,
        })
        .collect();
    assert_eq!(spawned, [0, 1, 2, 0]);
    let names = ["Forgetful", "Faithful", "Mayfly"].map(|name| (name.to_owned(), 3));
    assert_eq!(kinds.names(), names);
    for schedulers in [2, 3, 4] {
        let (other, others) = play(&Stage { schedulers, ..Stage::default() }, &script());
        assert_eq!(others, records, "{schedulers} schedulers");
        assert_eq!(root(&other), root(&one));
    }
}

#[test]
fn two_kinds_of_one_name_are_refused() {
    let (mut kinds, _) = cast();
    let again = kinds.add::<Mayfly>().map(drop);
    assert_eq!(again, Err(KindsError::Twice("Mayfly")));
}
