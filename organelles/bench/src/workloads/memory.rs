//! What agents remember, written and asked for.

use std::path::Path;
use std::time::Instant;

use karyon::memory::{Content, Entity, Time, Value, Vertex};
use karyon::{Agent, Context, Kind, Outcome, Result, Run};
use karyon_graph::{EntityId, Reader, View};
use karyon_types::AgentId;
use serde::{Deserialize, Serialize};

use super::ALL;
use crate::error::Failed;
use crate::level::Level;
use crate::text::thousands;
use crate::workload::{Sample, Setting, Trial, Workload, trial_of};

/// Agents of `memory-write`, of which each remembers something in each tick.
const WRITERS: u64 = 1_000;
/// Ticks of it.
const TICKS: u64 = 100;
/// Agents of which `memory-as-of` asks.
const KNOWN: u64 = 100;
/// Versions of what each remembered.
const VERSIONS: u64 = 1_000;
/// Questions of a sample.
const QUESTIONS: u64 = 100_000;
/// What is remembered, and its only property.
const READING: &str = "reading";
const LEVEL: &str = "level";

/// Remembers in each tick which one it is.
#[derive(Serialize, Deserialize)]
struct Gauge;

impl Agent for Gauge {
    type Message = ();
    const KIND: Kind = Kind::new("gauge");

    fn step(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        let now = i64::try_from(ctx.now().0).map_err(karyon::failure)?;
        ctx.remember_fact(READING, [(LEVEL, Value::Int(now))])
    }
}

fn gauges(name: &str, agents: u64, ticks: u64) -> Run {
    let mut run = Run::new(name);
    run.agents("gauge", agents, |_, _| Gauge);
    run.every_tick(ticks);
    run
}

fn remembered(outcome: &Outcome) -> u64 {
    outcome.counts.remembered
}

pub(crate) const WRITE: Workload = Workload {
    name: "memory-write",
    about: "agents remember a fact about themselves in each tick: a new version each",
    unit: "memories",
    levels: ALL,
    size: |scale| {
        let all = thousands(WRITERS * scale.of(TICKS));
        format!("{} agents, {all} memories in all", thousands(WRITERS))
    },
    prepare: |setting| {
        let run = gauges(WRITE.name, WRITERS, setting.scale.of(TICKS));
        Ok(trial_of(run, setting, remembered))
    },
};

pub(crate) const AS_OF: Workload = Workload {
    name: "memory-as-of",
    about: "what held for a pseudo-random agent at a pseudo-random moment, asked by one thread",
    unit: "answers",
    levels: &[Level::GateLogMemory],
    size: |scale| {
        let (versions, questions) = (scale.of(VERSIONS), scale.of(QUESTIONS));
        let (versions, questions) = (thousands(versions), thousands(questions));
        format!("{KNOWN} agents, {versions} versions of a fact of each, {questions} questions")
    },
    prepare: as_of,
};

/// A run remembers first; then its memory is opened once, and asked in each sample.
fn as_of(setting: &Setting<'_>) -> std::result::Result<Trial, Failed> {
    let versions = setting.scale.of(VERSIONS);
    let mut fill = trial_of(gauges(AS_OF.name, KNOWN, versions), setting, remembered);
    fill(setting.place)?;
    let opened = karyon_memory::open(&setting.place.join("run"), &mut |_| ())?;
    let reader = opened.graph.read()?;
    let facts = (1..=KNOWN).map(|agent| {
        let subject = Vertex::Agent(AgentId(agent));
        let fact = Entity::Fact { subject, predicate: READING.into() };
        let missing = || Failed::Wrong { agent, moment: 0, found: "nothing at all".into() };
        reader.find(&fact)?.ok_or_else(missing)
    });
    let facts = facts.collect::<std::result::Result<Vec<EntityId>, Failed>>()?;
    let (questions, seed) = (setting.scale.of(QUESTIONS), setting.seed);
    Ok(Box::new(move |_: &Path| {
        let (mut draw, mut answers) = (seed, 0);
        let begun = Instant::now();
        for _ in 0..questions {
            // Source: the constants of Knuth's MMIX.
            draw = draw
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let agent = below(draw >> 32, KNOWN);
            let moment = below(draw & 0xFFFF_FFFF, versions) as i64;
            if let Some(fact) = facts.get(agent as usize) {
                ask(&reader, agent, fact, moment)?;
                answers += 1;
            }
        }
        Ok(Sample { work: answers, took: begun.elapsed() })
    }))
}

/// 32 random bits as a number below `end`.
fn below(bits: u64, end: u64) -> u64 {
    (bits * end) >> 32
}

/// Asks, and compares the answer with what was remembered.
fn ask(reader: &Reader, agent: u64, fact: &EntityId, tick: i64) -> std::result::Result<(), Failed> {
    let moment = Time::new(tick, 0).ok_or(Failed::Constant("a tick is no moment"))?;
    let version = reader.get(fact, &View::at(moment))?;
    let content = version.map(|version| version.content);
    match &content {
        Some(Content::Present { properties, .. })
            if properties.get(LEVEL) == Some(&Value::Int(tick)) =>
        {
            Ok(())
        }
        other => {
            let found = format!("{other:?}");
            Err(Failed::Wrong { agent: agent + 1, moment: tick, found })
        }
    }
}
