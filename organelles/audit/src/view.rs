//! Records as JSON, for people and for programs that do not read the log's own bytes.
//!
//! Bytes are lowercase hexadecimal. A view is the exporter's reading; what counts are the bytes.

use data_encoding::HEXLOWER;
use karyon_arrangements::{
    Arrangement, Bond, ChildTerms, Lane, Mark, Receipt, Restart, Schedule, Shutdown, Told,
};
use karyon_log::{
    Cause, Control, CrashKind, Decision, LeaseRecord, Loss, Measure, Message, OrderVerb, Output,
    Record, Target, Verb,
};
use karyon_types::hash;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::limits::VIEW_PAYLOAD_BYTES;

/// Fields of control records that hold bytes.
const BYTES: [&str; 10] = [
    "adapter",
    "digest",
    "hash",
    "origin",
    "payload",
    "public_key",
    "root",
    "signature",
    "signed",
    "signer",
];

/// The kind of a control record, for machines.
pub fn control_kind(control: &Control) -> &'static str {
    match control {
        Control::Genesis(_) => "genesis",
        Control::Boot(_) => "boot",
        Control::Principal(_) => "principal",
        Control::Reason(_) => "reason",
        Control::Grant(_) => "grant",
        Control::Recovered(_) => "recovered",
        Control::Resume(_) => "resume",
        Control::Interrupted(_) => "interrupted",
        Control::Seal(_) => "seal",
        Control::Import(_) => "import",
        Control::Turn(_) => "turn",
        Control::Halt(_) => "halt",
        Control::Agent(_) => "agent",
        Control::Terms(_) => "terms",
        Control::Order(_) => "order",
        Control::Proposal(_) => "proposal",
        Control::Approval(_) => "approval",
        Control::Intent(_) => "intent",
        Control::Receipt(_) => "receipt",
        Control::OutcomeUnknown(_) => "outcome_unknown",
        Control::Refused(_) => "refused",
        Control::ClockBack(_) => "clock_back",
        Control::Snapshot(_) => "snapshot",
        Control::Memory(_) => "memory",
        Control::Subjects(_) => "subjects",
    }
}

/// A record's kind and fields.
pub fn view(record: &Record<'_>) -> Value {
    match record {
        Record::Control(control) => control_view(control),
        Record::Schedule(bytes) => json!({
            "kind": "schedule",
            "schedule": Schedule::decode(bytes).map(|schedule| schedule.to_string()),
        }),
        Record::Lease(lease) => lease_view(lease),
        Record::Spawn { agent, kind, lease, name } => json!({
            "kind": "spawn", "agent": agent.0, "agent_kind": kind, "lease": lease.0, "name": name,
        }),
        Record::Tick(tick) => json!({ "kind": "tick", "tick": tick.0 }),
        Record::Input { batch, count } => {
            json!({ "kind": "input", "batch": batch, "count": count })
        }
        Record::Step { agent, step, cause, outputs } => json!({
            "kind": "step", "agent": agent.0, "step": step, "cause": cause_view(*cause),
            "outputs": outputs.iter().map(output_view).collect::<Vec<_>>(),
        }),
        Record::Crash { agent, step, attempt, kind, decision } => json!({
            "kind": "crash", "agent": agent.0, "step": step, "attempt": attempt,
            "how": match kind {
                CrashKind::Panic => "panic",
                CrashKind::Error => "error",
                CrashKind::Chaos => "chaos",
                CrashKind::Order => "order",
                CrashKind::Link => "link",
            },
            "decision": match decision {
                Decision::Redelivered => "redelivered",
                Decision::Restarted => "restarted",
                Decision::Stopped => "stopped",
                Decision::LeftToSupervisor => "left_to_supervisor",
            },
        }),
        Record::DeadLetter { agent, cause, loss } => json!({
            "kind": "dead_letter", "agent": agent.0, "cause": cause_view(*cause),
            "loss": match loss {
                Loss::Poison => "poison",
                Loss::ReceiverGone => "receiver_gone",
                Loss::MailboxEmptied => "mailbox_emptied",
                Loss::Refused => "refused",
            },
        }),
        Record::Change { verb, target } => {
            let (whose, id) = match target {
                Target::Agent(id) => ("agent", id.0),
                Target::Reason(id) => ("reason", id.0),
                Target::Grant(id) => ("grant", id.0),
                Target::Principal(id) => ("principal", id.0),
                Target::Lease(id) => ("lease", id.0),
            };
            let verb = match verb {
                Verb::Suspend => "suspend",
                Verb::Resume => "resume",
                Verb::Revoke => "revoke",
            };
            json!({ "kind": "change", "verb": verb, "target": { whose: id } })
        }
        Record::Order { verb, agent, uid } => {
            let verb = match verb {
                OrderVerb::Pause => "pause",
                OrderVerb::Resume => "resume",
                OrderVerb::Kill => "kill",
                OrderVerb::Restart => "restart",
                OrderVerb::Fork => "fork",
            };
            json!({ "kind": "order", "verb": verb, "agent": agent.0, "uid": uid })
        }
        Record::Lost { first, last } => {
            json!({ "kind": "lost", "first": first.0, "last": last.0 })
        }
        Record::Supervised { agent, step, measure } => {
            let what = match measure {
                Measure::Started => "started",
                Measure::Asked => "asked_to_end",
                Measure::Ended => "ended",
                Measure::Killed => "killed",
                Measure::NotStarted => "not_started",
                Measure::Continued => "continued",
            };
            json!({ "kind": "supervised", "agent": agent.0, "step": step, "what": what })
        }
        Record::Told { by, what } => json!({
            "kind": "told", "agent": by.from.0, "step": by.step, "output": by.output,
            "what": told_view(what),
        }),
    }
}

fn lease_view(lease: &LeaseRecord) -> Value {
    let mut view = json!({
        "kind": "lease", "lease": lease.id.0, "owner": lease.owner.0, "grant": lease.grant.0,
        "rights": lease.rights, "scope": [lease.scope.0, lease.scope.1],
        "expires_tick": lease.expires.map(|tick| tick.0), "log_bytes": lease.log_bytes,
    });
    if let (Some(cut), Some(fields)) = (lease.cut, view.as_object_mut()) {
        let by =
            cut.by.map(|by| json!({ "agent": by.from.0, "step": by.step, "output": by.output }));
        fields.insert("cut".into(), json!({ "from": cut.from.0, "by": by }));
    }
    view
}

fn cause_view(cause: Cause) -> Value {
    let parts = |Message { from, step, output }: Message| json!({ "agent": from.0, "step": step, "output": output });
    match cause {
        Cause::Input(index) => json!({ "input": index }),
        Cause::Message(message) => json!({ "message": parts(message) }),
        Cause::Denial(message) => json!({ "denial": parts(message) }),
        Cause::Timer(message) => json!({ "timer": parts(message) }),
        Cause::Down(message) => json!({ "down": parts(message) }),
        Cause::Exit(message) => json!({ "exit": parts(message) }),
        Cause::Told(message) => json!({ "told": parts(message) }),
        Cause::Spawn(Message { from, step, output }) => json!({
            "spawn": { "child": Some(from.0).filter(|id| *id > 0), "step": step, "output": output }
        }),
    }
}

fn output_view(output: &Output<'_>) -> Value {
    match output {
        Output::Sent { lease, to, payload } => {
            json!({ "sent": { "lease": lease.0, "to": to.0, "payload": payload_view(payload) } })
        }
        Output::Denied { denial, to, payload } => json!({
            "denied": { "code": denial.code(), "to": to.0, "payload": payload_view(payload) }
        }),
        Output::Exit => json!("exit"),
        Output::Remembered { lease, write } => {
            json!({ "remembered": { "lease": lease.0, "payload": payload_view(write) } })
        }
        Output::Forgone { denial, write } => {
            json!({ "forgone": { "code": denial.code(), "payload": payload_view(write) } })
        }
        Output::DeniedAgain { denial, count } => {
            json!({ "denied_again": { "code": denial.code(), "count": count } })
        }
        Output::Arranged { lease, what } => json!({
            "arranged": { "lease": lease.map(|lease| lease.0), "what": arrangement_view(what) }
        }),
        Output::Unarranged { denial, what } => json!({
            "unarranged": { "code": denial.code(), "what": arrangement_view(what) }
        }),
    }
}

fn arrangement_view(bytes: &[u8]) -> Value {
    let bound = |bond| match bond {
        Bond::Monitor => "monitor",
        Bond::Link => "link",
    };
    match Arrangement::decode(bytes) {
        Some(Arrangement::Arm { ticks, repeats, payload }) => json!({
            "arm": { "ticks": ticks, "repeats": repeats, "payload": payload_view(payload) }
        }),
        Some(Arrangement::Cancel(timer)) => {
            json!({ "cancel": { "step": timer.step, "output": timer.output } })
        }
        Some(Arrangement::Bind(bond, agent)) => json!({ "bind": { bound(bond): agent.0 } }),
        Some(Arrangement::Unbind(bond, agent)) => json!({ "unbind": { bound(bond): agent.0 } }),
        Some(Arrangement::TrapExit(traps)) => json!({ "trap_exit": traps }),
        Some(Arrangement::Exit(reason)) => json!({ "exit": reason.to_string() }),
        Some(Arrangement::SealedExit(words)) => {
            json!({ "exit": "failure", "sealed": payload_view(words) })
        }
        Some(Arrangement::Lane(lane)) => json!({ "lane": match lane {
            Lane::Critical => "safety_critical",
            Lane::Normal => "normal",
            Lane::Speculative => "speculative",
        } }),
        Some(Arrangement::Recall { about, query }) => json!({
            "recall": { "about": about.map(|agent| agent.0), "query": payload_view(query) }
        }),
        Some(Arrangement::Effect { action, resource, arguments }) => json!({
            "effect": {
                "action": action, "resource": resource, "arguments": payload_view(arguments)
            }
        }),
        Some(Arrangement::Mark(mark)) => mark_view(&mark),
        Some(Arrangement::Spawn { name, how }) => {
            json!({ "spawn": { "name": name, "how": payload_view(how) } })
        }
        Some(Arrangement::SpawnUnder { supervisor, child, name, how }) => json!({
            "spawn": {
                "name": name,
                "how": payload_view(how),
                "under": supervisor,
                "child": child_view(child),
            }
        }),
        Some(Arrangement::Terminate(agent)) => json!({ "terminate": agent.0 }),
        Some(Arrangement::Register(name)) => json!({ "register": name }),
        Some(Arrangement::Unregister(name)) => json!({ "unregister": name }),
        Some(Arrangement::Join(group)) => json!({ "join": group }),
        Some(Arrangement::Leave(group)) => json!({ "leave": group }),
        // Of a later version.
        None => json!({ "unknown": payload_view(bytes) }),
    }
}

fn mark_view(mark: &Mark) -> Value {
    let (layer, slot) = (mark.layer(), mark.slot());
    match mark {
        Mark::Set { cell, words, .. } => json!({
            "set": { "layer": layer, "slot": slot, "cell": cell, "words": words.as_slice() }
        }),
        Mark::Clear { .. } => json!({ "clear": { "layer": layer, "slot": slot } }),
        Mark::Claim { word, leave, .. } => json!({
            "claim": { "layer": layer, "slot": slot, "word": word, "leave": leave }
        }),
    }
}

fn child_view(child: ChildTerms) -> Value {
    json!({
        "restart": match child.restart {
            Restart::Permanent => "permanent",
            Restart::Transient => "transient",
            Restart::Temporary => "temporary",
        },
        "shutdown": match child.shutdown {
            Shutdown::BrutalKill => "brutal_kill".into(),
            Shutdown::Timeout { ticks } => json!({ "ticks": ticks }),
            Shutdown::Infinity => "infinity".into(),
        },
        "significant": child.significant,
    })
}

fn told_view(bytes: &[u8]) -> Value {
    match Told::decode(bytes) {
        Some(Told::Answer { upto, digest }) => {
            json!({ "answer": { "upto_tick": upto.0, "blake3": HEXLOWER.encode(digest) } })
        }
        Some(Told::Receipt(receipt)) => json!({ "receipt": match receipt {
            Receipt::Done(result) => json!({ "done": payload_view(result) }),
            Receipt::Failed(why) => json!({ "failed": why }),
            Receipt::NotDone(why) => json!({ "not_done": why.code() }),
            Receipt::Unknown => "unknown".into(),
        } }),
        // Of a later version.
        None => json!({ "unknown": payload_view(bytes) }),
    }
}

fn payload_view(payload: &[u8]) -> Value {
    if payload.len() <= VIEW_PAYLOAD_BYTES {
        return HEXLOWER.encode(payload).into();
    }
    json!({ "size": payload.len(), "blake3": hash(payload).to_string() })
}

fn control_view(control: &Control) -> Value {
    let mut fields = match control {
        Control::Genesis(body) => fields(body),
        Control::Boot(body) => fields(body),
        Control::Principal(body) => fields(body),
        Control::Reason(body) => fields(body),
        Control::Grant(body) => fields(body),
        Control::Recovered(body) => fields(body),
        Control::Resume(body) => fields(body),
        Control::Interrupted(body) => fields(body),
        Control::Seal(body) => fields(body),
        Control::Import(body) => fields(body),
        Control::Turn(body) => fields(body),
        Control::Halt(body) => fields(body),
        Control::Agent(body) => fields(body),
        Control::Terms(body) => fields(body),
        Control::Order(body) => fields(body),
        Control::Proposal(body) => fields(body),
        Control::Approval(body) => fields(body),
        Control::Intent(body) => fields(body),
        Control::Receipt(body) => fields(body),
        Control::OutcomeUnknown(body) => fields(body),
        Control::Refused(body) => fields(body),
        Control::ClockBack(body) => fields(body),
        Control::Snapshot(body) => fields(body),
        Control::Memory(body) => fields(body),
        Control::Subjects(body) => fields(body),
    };
    if let Control::Seal(seal) = control {
        fields.insert("state_root".into(), HEXLOWER.encode(&seal.state_root).into());
    }
    fields.insert("kind".into(), control_kind(control).into());
    Value::Object(fields)
}

fn fields<T: Serialize>(body: &T) -> Map<String, Value> {
    match serde_json::to_value(body) {
        Ok(Value::Object(mut fields)) => {
            bytes_as_hex(&mut fields);
            fields
        }
        // An argument of an action that JSON cannot hold; the bytes are there.
        Ok(other) => Map::from_iter([("unreadable".into(), other)]),
        Err(error) => Map::from_iter([("unreadable".into(), error.to_string().into())]),
    }
}

/// What callers of actions name stays as they named it: `arguments` and `terms` are not touched.
fn bytes_as_hex(fields: &mut Map<String, Value>) {
    for (name, value) in fields.iter_mut() {
        if BYTES.contains(&name.as_str()) {
            if let Some(bytes) = byte_list(value) {
                *value = HEXLOWER.encode(&bytes).into();
            }
        } else if name == "file" {
            value.as_object_mut().into_iter().for_each(bytes_as_hex);
        } else if name == "inputs" {
            let files = value.as_array_mut().into_iter().flatten();
            files.filter_map(Value::as_object_mut).for_each(bytes_as_hex);
        }
    }
}

fn byte_list(value: &Value) -> Option<Vec<u8>> {
    let numbers = value.as_array()?.iter();
    numbers.map(|number| u8::try_from(number.as_u64()?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use karyon_log::{Genesis, InputFile, Intent, Seal};
    use karyon_types::{AgentId, Argument, LeaseId};

    #[test]
    fn bytes_are_hexadecimal_and_arguments_stay() {
        let file = InputFile { name: "contacts".into(), size: 3, hash: [0xab; 32] };
        let genesis = Control::Genesis(Genesis {
            karyon: "1".into(),
            created_unix_ms: 5,
            scenario_name: "rumour".into(),
            scenario: String::new(),
            kinds: vec![("person".into(), 2)],
            inputs: vec![file],
        });
        let value = view(&Record::Control(Box::new(genesis)));
        assert_eq!(value["kind"], "genesis");
        assert_eq!(value["inputs"][0]["hash"], "ab".repeat(32));
        let seal = Control::Seal(Seal { ticks: 7, state_root: [1; 32] });
        assert_eq!(view(&Record::Control(Box::new(seal)))["state_root"], "01".repeat(32));

        let list = Argument::List(vec![Argument::Int(1), Argument::Int(2)]);
        let intent = Control::Intent(Intent {
            id: 1,
            agent: 2,
            lease: 3,
            capability: 0,
            proposal: None,
            action: "a".into(),
            resource: "r".into(),
            arguments: [("hash".to_owned(), list)].into(),
            deadline_unix_ms: 0,
            at_unix_ms: 0,
        });
        let value = view(&Record::Control(Box::new(intent)));
        assert_eq!(value["arguments"]["hash"], json!([1, 2]));
    }

    #[test]
    fn arrangements_are_shown_as_what_they_are() {
        let denial = karyon_types::Denial::CapabilityNotGranted;
        let words = |what| output_view(&Output::Arranged { lease: Some(LeaseId(7)), what });
        assert_eq!(
            words(b"\x02\x05ab"),
            json!({ "arranged": { "lease": 7, "what":
                { "arm": { "ticks": 5, "repeats": true, "payload": "6162" } } } })
        );
        let what = |what| output_view(&Output::Unarranged { denial, what })["unarranged"].clone();
        assert_eq!(
            what(b"\x06\x09"),
            json!({ "code": denial.code(), "what": { "bind": { "link": 9 } } })
        );
        assert_eq!(what(b"\x05\x09")["what"], json!({ "unbind": { "monitor": 9 } }));
        assert_eq!(what(b"\x03\x01\x02")["what"], json!({ "cancel": { "step": 1, "output": 2 } }));
        assert_eq!(what(b"\x0a\x05no")["what"], json!({ "exit": "failure: no" }));
        assert_eq!(what(b"\xff")["what"], json!({ "unknown": "ff" }));
        let message = Message { from: AgentId(3), step: 1, output: 2 };
        let parts = json!({ "agent": 3, "step": 1, "output": 2 });
        assert_eq!(cause_view(Cause::Down(message)), json!({ "down": parts }));
    }

    #[test]
    fn a_long_payload_is_shown_by_size_and_hash() {
        let step = |payload| Record::Step {
            agent: AgentId(1),
            step: 0,
            cause: Cause::Input(4),
            outputs: vec![Output::Sent { lease: LeaseId(1), to: AgentId(2), payload }],
        };
        let value = view(&step(&[7; VIEW_PAYLOAD_BYTES]));
        assert_eq!(value["outputs"][0]["sent"]["payload"], "07".repeat(VIEW_PAYLOAD_BYTES));
        assert_eq!(value["cause"]["input"], 4);
        let value = view(&step(&[7; VIEW_PAYLOAD_BYTES + 1]));
        let shown = &value["outputs"][0]["sent"]["payload"];
        assert_eq!(shown["size"], VIEW_PAYLOAD_BYTES + 1);
        assert_eq!(shown["blake3"], hash(&[7; VIEW_PAYLOAD_BYTES + 1]).to_string());
    }
}
