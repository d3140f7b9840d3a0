//! Records in words: what `why` and `audit` say of them.

use karyon_arrangements::{Arrangement, Bond, Lane, Mark, Receipt, Schedule, Told};
pub(crate) use karyon_audit::control_kind;
use karyon_log::{
    Cause, Control, CrashKind, Decision, LeaseRecord, Loss, Measure, Message, Order, OrderVerb,
    Output, Record, Target, Verb,
};
use karyon_types::AgentId;

use crate::output::{hex, plain};

/// What a control record says. Names, labels and resources are others' words: nothing in them
/// steers a terminal or begins a line.
pub(crate) fn control_words(control: &Control) -> String {
    plain(&raw_control_words(control))
}

fn raw_control_words(control: &Control) -> String {
    match control {
        Control::Genesis(genesis) if genesis.scenario_name.is_empty() => {
            "this log began, without a scenario".into()
        }
        Control::Genesis(genesis) => {
            format!("this log began, with the scenario {}", genesis.scenario_name)
        }
        Control::Boot(boot) => format!("the node started (boot {})", boot.boot),
        Control::Principal(principal) => {
            format!("{} is the principal who answers, number {}", principal.name, principal.id)
        }
        Control::Reason(reason) => format!("reason {} was given: {}", reason.id, reason.label),
        Control::Grant(grant) => format!("grant {} was given", grant.id),
        Control::Recovered(recovered) => {
            format!("{} bytes that were never committed were cut", recovered.cut_bytes)
        }
        Control::Resume(resume) => format!("a person ended safe mode: {}", resume.reason),
        Control::Interrupted(interrupted) if interrupted.signal == 0 => {
            "the node ended in good order".into()
        }
        Control::Interrupted(interrupted) => {
            format!("signal {} interrupted the run", interrupted.signal)
        }
        Control::Seal(seal) => format!("the run was complete after {} ticks", seal.ticks),
        Control::Import(import) => format!(
            "an engram of log {} was imported ({}, signed by {}, trusted: {})",
            hex(&import.origin),
            import.file.name,
            hex(&import.signer),
            import.trusted_by
        ),
        Control::Memory(memory) => match (memory.writes.len(), memory.erased.is_empty()) {
            (1, true) => "a principal recorded a memory".into(),
            (memories, true) => format!("a principal recorded {memories} memories"),
            (_, false) => "a principal erased memories".into(),
        },
        Control::Subjects(subjects) => format!(
            "{} agents belong to {} subjects, and what they know is sealed",
            subjects.agents.len(),
            subjects.keys.len()
        ),
        Control::Turn(turn) => format!("the log goes on behind its file {}", turn.segment),
        Control::Halt(halt) => format!("the node was halted: {}", halt.reason),
        Control::Agent(agent) => format!("agent {} is called {}", agent.id, agent.name),
        Control::Terms(terms) => format!(
            "lease {} was opened for agent {}, from {}",
            terms.lease,
            terms.owner,
            match terms.parent {
                Some(parent) => format!("lease {parent}"),
                None => format!("grant {}", terms.grant),
            }
        ),
        Control::Order(order) => match order_of(order) {
            Some((verb, target)) => format!(
                "principal {} ordered: {} ({} effects were in flight)",
                order.principal,
                change_words(verb, target),
                order.in_flight
            ),
            None => format!("principal {} ordered something unknown", order.principal),
        },
        Control::Proposal(proposal) => format!(
            "proposal {}: agent {} wants {} on {}",
            proposal.id, proposal.agent, proposal.action, proposal.resource
        ),
        Control::Approval(approval) => format!(
            "proposal {} was approved by {}",
            approval.proposal,
            match (approval.principal, approval.lease) {
                (Some(principal), _) => format!("principal {principal}"),
                (None, Some(lease)) => format!("the holder of lease {lease}"),
                (None, None) => "nobody".into(),
            }
        ),
        Control::Intent(intent) => format!(
            "effect {}: agent {} was to do {} on {}",
            intent.id, intent.agent, intent.action, intent.resource
        ),
        Control::Receipt(receipt) => {
            format!("effect {}: {}", receipt.effect, receipt.status.name())
        }
        Control::OutcomeUnknown(unknown) => {
            format!("effect {}: nobody knows whether it happened: {}", unknown.effect, unknown.why)
        }
        Control::Refused(refused) => format!(
            "agent {} was denied {} on {}: {} ({} times)",
            refused.agent, refused.action, refused.resource, refused.code, refused.count
        ),
        Control::ClockBack(clock) => format!(
            "the clock stood {} ms behind the last commit: whatever has an end is over",
            clock.recorded_unix_ms.saturating_sub(clock.found_unix_ms)
        ),
        Control::Snapshot(snapshot) => {
            format!("a snapshot of the run was taken behind tick {}", snapshot.tick)
        }
    }
}

fn schedule_words(bytes: &[u8]) -> String {
    match Schedule::decode(bytes) {
        Some(schedule) => format!("the agents take turns: {schedule}"),
        None => "the agents take turns in a way that this program does not know".into(),
    }
}

/// What any record says.
pub(crate) fn record_words(record: &Record<'_>) -> String {
    match record {
        Record::Control(control) => control_words(control),
        Record::Schedule(bytes) => schedule_words(bytes),
        Record::Lease(lease) => lease_words(lease),
        Record::Spawn { agent, lease, name, .. } => {
            format!("{agent} was made, called {}, with {lease}", plain(name))
        }
        Record::Tick(tick) => format!("{tick} began"),
        Record::Input { count: 1, .. } => "an input was released".into(),
        Record::Input { count, .. } => format!("{count} inputs were released"),
        Record::Step { agent, step, cause, outputs } => {
            let mut words = format!("{agent} took step {step}, on {}", cause_words(*cause));
            for output in outputs {
                words.push_str("; ");
                words.push_str(&output_words(output));
            }
            words
        }
        Record::Crash { agent, step, attempt, kind, decision } => {
            let how = match kind {
                CrashKind::Panic => "panicked",
                CrashKind::Error => "failed",
                CrashKind::Chaos => "was killed by chaos",
                CrashKind::Order => "was ended by an order,",
                CrashKind::Link => "ended with one that it was linked to,",
            };
            let then = match decision {
                Decision::Redelivered => "restarted, and the same comes again",
                Decision::Restarted => "restarted",
                Decision::Stopped => "not restarted",
                Decision::LeftToSupervisor => "left to its supervisor",
            };
            format!("{agent} {how} in step {step}, attempt {}: {then}", attempt.saturating_add(1))
        }
        Record::DeadLetter { agent, cause, loss } => {
            let why = match loss {
                Loss::Poison => "it killed its receiver too often",
                Loss::ReceiverGone => "its receiver was gone",
                Loss::MailboxEmptied => "its receiver was restarted with an empty mailbox",
                Loss::Refused => "its receiver's mailbox was too full for it",
            };
            format!("{} for {agent} was never handled: {why}", cause_words(*cause))
        }
        Record::Change { verb, target } => change_words(*verb, *target),
        Record::Order { verb, agent, uid } => order_words(&agent.to_string(), *verb, *uid),
        Record::Lost { first, last } => lost_words(*first, *last),
        Record::Told { by, what } => told_words(&by.from.to_string(), what),
        Record::Supervised { agent, measure, .. } => measure_words(&agent.to_string(), *measure),
    }
}

/// Which agents a step that did not return took along.
pub(crate) fn lost_words(first: AgentId, last: AgentId) -> String {
    format!("{first} to {last} were lost: one of them did not come back from its step")
}

/// What an agent was told of an output of its own.
pub(crate) fn told_words(who: &str, what: &[u8]) -> String {
    match Told::decode(what) {
        Some(Told::Answer { upto, .. }) => {
            format!("{who} was told what it had asked the memory, as of the end of {upto}")
        }
        Some(Told::Receipt(receipt)) => match receipt {
            Receipt::Done(result) => {
                format!("{who} was told that an effect was done: {} bytes", result.len())
            }
            Receipt::Failed(why) => format!("{who} was told that an effect failed: {}", plain(why)),
            Receipt::NotDone(why) => format!("{who} was told that an effect was not done: {why}"),
            Receipt::Unknown => {
                format!("{who} was told that nobody knows whether an effect was done")
            }
        },
        None => format!("{who} was told something that this version does not know"),
    }
}

/// What a supervisor did with an agent.
pub(crate) fn measure_words(who: &str, measure: Measure) -> String {
    let done = match measure {
        Measure::Started => "was started again by",
        Measure::Asked => "was asked to end by",
        Measure::Ended => "was ended by",
        Measure::Killed => "was killed by",
        Measure::NotStarted => "could not be started by",
        Measure::Continued => "was started again from its last good state by",
    };
    format!("{who} {done} its supervisor")
}

/// What a user of the machine ordered about an agent.
pub(crate) fn order_words(who: &str, verb: OrderVerb, uid: u32) -> String {
    let done = match verb {
        OrderVerb::Pause => "paused",
        OrderVerb::Resume => "resumed",
        OrderVerb::Kill => "killed",
        OrderVerb::Restart => "restarted",
        OrderVerb::Fork => "forked",
    };
    format!("{who} was {done} by order of the user {uid}")
}

/// The verb of an order about an agent, as it is typed.
pub(crate) fn order_verb(verb: OrderVerb) -> &'static str {
    match verb {
        OrderVerb::Pause => "pause",
        OrderVerb::Resume => "resume",
        OrderVerb::Kill => "kill",
        OrderVerb::Restart => "restart",
        OrderVerb::Fork => "fork",
    }
}

fn lease_words(lease: &LeaseRecord) -> String {
    let until = lease.expires.map(|tick| format!(", until {tick}")).unwrap_or_default();
    let from = lease.cut.map(|cut| format!(" and {}", cut.from)).unwrap_or_default();
    format!("{} was opened for {}, from {}{from}{until}", lease.id, lease.owner, lease.grant)
}

fn cause_words(cause: Cause) -> String {
    match cause {
        Cause::Input(index) => format!("input {index}"),
        Cause::Message(message) => format!(
            "the message of {} (its step {}, output {})",
            message.from, message.step, message.output
        ),
        Cause::Denial(message) => {
            format!("the denial of its step {}, output {}", message.step, message.output)
        }
        Cause::Timer(message) => {
            format!("the timer of its step {}, output {}", message.step, message.output)
        }
        Cause::Down(message) => {
            format!("the end of {} (step {}), which it monitored", message.from, message.step)
        }
        Cause::Exit(message) => {
            format!("the end of {} (step {}), to which it was linked", message.from, message.step)
        }
        Cause::Told(message) => {
            format!("what came of its step {}, output {}", message.step, message.output)
        }
        Cause::Spawn(Message { from: AgentId(0), step, output }) => {
            format!("the news that nobody came to life by its step {step}, output {output}")
        }
        Cause::Spawn(message) => format!(
            "the birth of {} (by its step {}, output {})",
            message.from, message.step, message.output
        ),
    }
}

fn output_words(output: &Output<'_>) -> String {
    match output {
        Output::Sent { lease, to, payload } => {
            format!("sent {} bytes to {to} under {lease}", payload.len())
        }
        Output::Denied { denial, to, .. } => format!("was denied a message to {to}: {denial}"),
        Output::Exit => "ended itself".into(),
        Output::Remembered { lease, write } => {
            format!("remembered {} bytes under {lease}", write.len())
        }
        Output::Forgone { denial, .. } => format!("was denied a memory: {denial}"),
        Output::DeniedAgain { denial, count } => {
            format!("was denied for the {count}th time in a row: {denial}")
        }
        Output::Arranged { lease: Some(lease), what } => {
            format!("{} under {lease}", arrangement_words(what))
        }
        Output::Arranged { lease: None, what } => arrangement_words(what),
        Output::Unarranged { denial, what } => {
            format!("was denied this: it {}: {denial}", arrangement_words(what))
        }
    }
}

/// What an agent arranged.
pub(crate) fn arrangement_words(what: &[u8]) -> String {
    match Arrangement::decode(what) {
        Some(Arrangement::Arm { ticks, repeats: false, .. }) => {
            format!("armed a timer of {ticks} ticks")
        }
        Some(Arrangement::Arm { ticks, repeats: true, .. }) => {
            format!("armed a timer that fires every {ticks} ticks")
        }
        Some(Arrangement::Cancel(timer)) => {
            format!("took back the timer of its step {}, output {}", timer.step, timer.output)
        }
        Some(Arrangement::Bind(Bond::Monitor, agent)) => format!("monitored {agent}"),
        Some(Arrangement::Bind(Bond::Link, agent)) => format!("linked itself to {agent}"),
        Some(Arrangement::Unbind(Bond::Monitor, agent)) => {
            format!("monitored {agent} no more")
        }
        Some(Arrangement::Unbind(Bond::Link, agent)) => {
            format!("was linked to {agent} no more")
        }
        Some(Arrangement::Lane(lane)) => match lane {
            Lane::Critical => "chose the safety-critical lane for what follows".into(),
            Lane::Normal => "chose the normal lane for what follows".into(),
            Lane::Speculative => "chose the speculative lane for what follows".into(),
        },
        Some(Arrangement::TrapExit(true)) => "trapped exits".into(),
        Some(Arrangement::TrapExit(false)) => "trapped exits no more".into(),
        Some(Arrangement::Recall { about: Some(agent), .. }) => {
            format!("asked the memory about {agent}")
        }
        Some(Arrangement::Recall { about: None, .. }) => "asked the memory".into(),
        Some(Arrangement::Effect { action, resource, arguments }) => {
            let (action, resource) = (plain(action), plain(resource));
            format!("wanted {action} done on {resource}, {} bytes", arguments.len())
        }
        Some(Arrangement::Mark(mark)) => match mark {
            Mark::Set { layer, slot, cell, words } => {
                let cell = cell.map_or(String::new(), |cell| format!(", in cell {cell}"));
                format!("set slot {slot} of layer {layer} to {:?}{cell}", words.as_slice())
            }
            Mark::Clear { layer, slot } => format!("cleared slot {slot} of layer {layer}"),
            Mark::Claim { layer, slot, word, leave } => {
                let leave = leave.map_or(String::new(), |leave| format!(" and left {leave}"));
                format!("claimed slot {slot} of layer {layer} with {word}{leave}")
            }
        },
        Some(Arrangement::Spawn { name, .. }) => format!("spawned {}", plain(name)),
        Some(Arrangement::SpawnUnder { supervisor, name, .. }) => {
            format!("spawned {} below supervisor {supervisor}", plain(name))
        }
        Some(Arrangement::Terminate(agent)) => format!("had {agent} stopped by its supervisor"),
        Some(Arrangement::Register(name)) => format!("asked to be found as {}", plain(name)),
        Some(Arrangement::Unregister(name)) => format!("gave up the name {}", plain(name)),
        Some(Arrangement::Join(group)) => format!("joined the group {}", plain(group)),
        Some(Arrangement::Leave(group)) => format!("left the group {}", plain(group)),
        Some(Arrangement::Exit(reason)) => format!("ended itself: {}", plain(&reason.to_string())),
        Some(Arrangement::SealedExit(_)) => "ended itself: failure, in sealed words".to_owned(),
        None => format!("arranged something that this version does not know, {} bytes", what.len()),
    }
}

/// What happened to whose authority.
pub(crate) fn change_words(verb: Verb, target: Target) -> String {
    let whose = match target {
        Target::Agent(id) => id.to_string(),
        Target::Reason(id) => id.to_string(),
        Target::Grant(id) => id.to_string(),
        Target::Principal(id) => id.to_string(),
        Target::Lease(id) => id.to_string(),
    };
    match verb {
        Verb::Suspend => format!("{whose} was suspended"),
        Verb::Resume => format!("{whose} was resumed"),
        Verb::Revoke => format!("{whose} was revoked"),
    }
}

fn order_of(order: &Order) -> Option<(Verb, Target)> {
    let verb = Verb::from_number(order.verb)?;
    Some((verb, Target::from_parts(order.target.0, order.target.1)?))
}
