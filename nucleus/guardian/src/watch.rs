//! What is counted, over windows that survive a restart, and when it is too much.
//!
//! The counts come from the runtime (cooperative) or from outside; the limits from a person.

use std::collections::BTreeMap;

use karyon_safety::Limits;

use crate::Event;

const MINUTE_S: u64 = 60;
const DAY_S: u64 = 86_400;
/// Into how many parts a window is divided: it forgets one part at a time.
const PARTS: u64 = 60;
/// Leases with an open sequence of rejections or failures; more at a time is too much by itself.
const MAX_SEQUENCES: u64 = 4_096;

/// How much happened lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Window {
    /// When each part began, Unix seconds, and how much it holds.
    parts: Vec<(u64, u64)>,
}

impl Window {
    /// Adds, forgets what is older than `span_s`, and sums up. A clock that goes back adds to the
    /// newest part.
    fn add(&mut self, now_s: u64, span_s: u64, amount: u64) -> u64 {
        let newest = self.parts.last().map_or(0, |(at, _)| *at);
        let now_s = now_s.max(newest);
        self.parts.retain(|(at, _)| now_s - at < span_s);
        match self.parts.last_mut() {
            Some((at, held)) if now_s - *at < span_s / PARTS => {
                *held = held.saturating_add(amount);
            }
            Some(_) | None if amount == 0 => {}
            Some(_) | None => self.parts.push((now_s, amount)),
        }
        self.parts.iter().fold(0, |sum: u64, (_, held)| sum.saturating_add(*held))
    }
}

/// All counts of a data directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watches {
    windows: BTreeMap<&'static str, Window>,
    sequences: BTreeMap<(&'static str, u64), u64>,
    /// Since [`Watches::news`] was asked.
    changed: bool,
}

/// The windows by the names of their limits.
const WINDOWS: [(&str, u64); 5] = [
    ("asks_per_minute", MINUTE_S),
    ("tasks_per_day", DAY_S),
    ("crashes_per_minute", MINUTE_S),
    ("self_modifications_per_day", DAY_S),
    ("cpu_s_per_day", DAY_S),
];
const REJECTIONS: &str = "rejections_in_sequence";
const FAILURES: &str = "failures_in_sequence";

impl Watches {
    /// Counts so much more of what `limit` bounds.
    pub(crate) fn add(
        &mut self,
        limits: &Limits,
        limit: &'static str,
        now_s: u64,
        amount: u64,
        about: &str,
    ) -> Result<(), String> {
        let span_s = WINDOWS.iter().find(|(name, _)| *name == limit).map_or(DAY_S, |(_, s)| *s);
        let found = self.windows.entry(limit).or_default().add(now_s, span_s, amount);
        self.changed |= amount > 0;
        within(limit, limits.get(limit), found, about)
    }

    /// Counts what a runtime reported. True: it must be kept at once.
    pub(crate) fn report(
        &mut self,
        limits: &Limits,
        event: Event,
        lease: u64,
        text: &str,
        now_s: u64,
    ) -> Result<bool, String> {
        let about = match lease {
            0 => text.to_owned(),
            lease => format!("lease {lease}: {text}"),
        };
        let mut count = |limit| self.add(limits, limit, now_s, 1, &about);
        let kept = match event {
            Event::Ask => count("asks_per_minute").map(|()| false),
            Event::Task => count("tasks_per_day").map(|()| true),
            Event::SelfModification => count("self_modifications_per_day").map(|()| true),
            Event::Rejection => self.follows(limits, REJECTIONS, lease, &about),
            Event::Failure => self.follows(limits, FAILURES, lease, &about),
            Event::Admitted => Ok(self.sequences.remove(&(REJECTIONS, lease)).is_some()),
            Event::Success => Ok(self.sequences.remove(&(FAILURES, lease)).is_some()),
        };
        self.changed |= kept == Ok(true);
        kept
    }

    fn follows(
        &mut self,
        limits: &Limits,
        limit: &'static str,
        lease: u64,
        about: &str,
    ) -> Result<bool, String> {
        let count = self.sequences.entry((limit, lease)).or_default();
        *count += 1;
        within(limit, limits.get(limit), *count, about)?;
        within("sequences at a time", MAX_SEQUENCES, self.sequences.len() as u64, "").map(|()| true)
    }

    /// As [`Watches::encode`], if anything was counted since this was asked last.
    pub(crate) fn news(&mut self) -> Option<String> {
        std::mem::take(&mut self.changed).then(|| self.encode())
    }

    /// As lines, to be kept.
    pub(crate) fn encode(&self) -> String {
        let windows = self.windows.iter().flat_map(|(name, window)| {
            window.parts.iter().map(move |(at, held)| format!("window {name} {at} {held}\n"))
        });
        let sequences = self.sequences.iter();
        let sequences =
            sequences.map(|((name, lease), count)| format!("sequence {name} {lease} {count}\n"));
        windows.chain(sequences).collect()
    }

    /// Reads what was kept; `None`: it is in no known form.
    pub(crate) fn decode(text: &str) -> Option<Watches> {
        let mut watches = Watches::default();
        for line in text.lines() {
            let mut words = line.split(' ');
            let (kind, name) = (words.next()?, words.next()?);
            let (first, second) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            match kind {
                "window" => {
                    let (name, _) = WINDOWS.iter().find(|(known, _)| *known == name)?;
                    watches.windows.entry(name).or_default().parts.push((first, second));
                }
                "sequence" => {
                    let name = [REJECTIONS, FAILURES].into_iter().find(|known| *known == name)?;
                    watches.sequences.insert((name, first), second);
                }
                _ => return None,
            }
        }
        (watches.encode() == text).then_some(watches)
    }

    /// A person has looked: what was counted in sequence, and the self-modifications, begin anew.
    /// The windows of tasks and of processor time stay.
    pub(crate) fn forgive(&mut self) {
        self.sequences.clear();
        for name in ["asks_per_minute", "crashes_per_minute", "self_modifications_per_day"] {
            self.windows.remove(name);
        }
    }
}

/// Whether `found` is allowed; `about` says more: which lease, what was asked.
pub(crate) fn within(what: &str, allowed: u64, found: u64, about: &str) -> Result<(), String> {
    if found <= allowed {
        return Ok(());
    }
    let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
    Err(format!("{what}: {found}, and {allowed} is the most that is allowed{about}"))
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
