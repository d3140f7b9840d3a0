//! Activity-driven temporal networks: contacts without memory between people of unequal activity.
//!
//! Each of N people has a potential x, drawn from F(x) ∝ x^-γ on [ε, 1], and an activity
//! a = η·x. At every step each person is active with probability a, and an active person contacts
//! m distinct others, chosen uniformly. Nothing is remembered from one step to the next.
//! Source: Perra, Gonçalves, Pastor-Satorras, Vespignani: "Activity driven modeling of time
//! varying networks", Scientific Reports 2:469, 2012. There a contact has no direction; here the
//! active person is its source, since a message has one.
//!
//! The people are named 1 to N by falling potential. Names mean nothing to the model, but so the
//! first sender, who is where a rumour begins unless the scenario says otherwise, is one of the
//! busiest: in a network that forgets, a rumour from an idle person may take any time to start.
//!
//! Inactive people cost nothing: a person's wait for the next activity is geometrically
//! distributed, so it is drawn at once, and a queue holds the people by their next active step.
//!
//! # Invariants
//! 1. The text is a function of the arguments alone, on every platform: only integers and the
//!    operations of f64 that IEEE 754 defines to the last bit (+, -, ×, ÷, comparison) are used.
//!    Powers and logarithms of the system's library are not among them, so they are computed here.
//! 2. Names ascend with falling activity.
//! 3. Steps ascend from 1; inside a step people ascend, and each is active once.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};

use crate::random::Sequence;

/// Fewest people: a contact takes two.
pub const MIN_PEOPLE: u32 = 2;
/// Most people: ten million agents are what a large machine holds.
pub const MAX_PEOPLE: u32 = 10_000_000;
/// Most contacts: their text stays below the longest contact file (4 GiB).
pub const MAX_CONTACTS: u32 = 100_000_000;
/// Most contacts of one activation: choosing distinct people takes the square of it.
pub const MAX_CONTACTS_PER_ACTIVATION: u32 = 100;

/// Streams of the generator, one for each use of the seed.
const POTENTIALS: u64 = 1;
const WAITS: u64 = 2;
const TARGETS: u64 = 3;

/// The parameters of the model but for the number of people.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivityDriven {
    /// How many contacts to make in all, 1 to 100,000,000.
    pub contacts: u32,
    /// How many others an active person contacts in a step (m), 1 to 100 and fewer than people.
    pub contacts_per_activation: u32,
    /// The exponent of the potentials (γ), 1.01 to 10: the greater, the rarer are busy people.
    pub exponent: f64,
    /// The smallest potential (ε), 0.000001 to 1; with 1 all people are equal.
    pub smallest_potential: f64,
    /// The activity of a person of potential 1 (η), 0.001 to 1 activations a step.
    pub activity_scale: f64,
}

/// A value outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {value}; allowed is {allowed}")]
pub struct OutOfRange {
    /// The scenario key of the value, with its section.
    pub key: Cow<'static, str>,
    /// The value.
    pub value: String,
    /// What the key may be.
    pub allowed: Cow<'static, str>,
}

impl OutOfRange {
    /// Succeeds when `fits`.
    pub(crate) fn unless(
        fits: bool,
        key: impl Into<Cow<'static, str>>,
        value: impl ToString,
        allowed: impl Into<Cow<'static, str>>,
    ) -> Result<(), Self> {
        if fits {
            return Ok(());
        }
        let value = value.to_string();
        Err(Self { key: key.into(), value, allowed: allowed.into() })
    }
}

impl ActivityDriven {
    /// Whether a network of `people` can be made with these parameters.
    ///
    /// # Errors
    /// The first value outside its range.
    pub fn check(&self, people: u32) -> Result<(), OutOfRange> {
        let m = self.contacts_per_activation;
        OutOfRange::unless(
            (MIN_PEOPLE..=MAX_PEOPLE).contains(&people),
            "population.people",
            people,
            "2 to 10,000,000",
        )?;
        OutOfRange::unless(
            (1..=MAX_CONTACTS).contains(&self.contacts),
            "space.contacts",
            self.contacts,
            "1 to 100,000,000",
        )?;
        OutOfRange::unless(
            (1..=MAX_CONTACTS_PER_ACTIVATION).contains(&m) && m < people,
            "space.contacts_per_activation",
            m,
            "1 to 100, and fewer than the people",
        )?;
        OutOfRange::unless(
            (1.01..=10.0).contains(&self.exponent),
            "space.exponent",
            self.exponent,
            "1.01 to 10",
        )?;
        OutOfRange::unless(
            (1e-6..=1.0).contains(&self.smallest_potential),
            "space.smallest_potential",
            self.smallest_potential,
            "0.000001 to 1",
        )?;
        OutOfRange::unless(
            (1e-3..=1.0).contains(&self.activity_scale),
            "space.activity_scale",
            self.activity_scale,
            "0.001 to 1",
        )
    }
}

/// The text of a contact file: lines `SRC DST STEP`, people named 1 to `people`, in the order in
/// which the contacts happen, exactly as many as asked for.
///
/// # Errors
/// A parameter outside its range.
pub fn generate(people: u32, parameters: &ActivityDriven, seed: u64) -> Result<String, OutOfRange> {
    parameters.check(people)?;
    let activities = activities(people, parameters, seed);
    let mut waits = Sequence::new(seed, WAITS);
    let mut targets = Sequence::new(seed, TARGETS);
    let mut wait = |activity: f64| failures(waits.unit(), activity);
    let mut next_active: BinaryHeap<Reverse<(u64, u32)>> = (1..=people)
        .zip(&activities)
        .map(|(person, activity)| Reverse((wait(*activity).saturating_add(1), person)))
        .collect();
    let mut text = String::new();
    let mut chosen: Vec<u32> = Vec::new();
    let mut missing = parameters.contacts;
    while missing > 0
        && let Some(mut head) = next_active.peek_mut()
    {
        let Reverse((step, person)) = *head;
        let activity = activities.get(person as usize - 1).copied().unwrap_or(1.0);
        *head = Reverse((step.saturating_add(1).saturating_add(wait(activity)), person));
        drop(head);
        let m = parameters.contacts_per_activation.min(missing);
        choose_others(person, people, m, &mut targets, &mut chosen);
        for target in &chosen {
            text.push_str(&format!("{person} {target} {step}\n"));
        }
        missing -= m;
    }
    Ok(text)
}

/// Fills `chosen` with `m` distinct people other than `person`, in random order.
fn choose_others(person: u32, people: u32, m: u32, targets: &mut Sequence, chosen: &mut Vec<u32>) {
    chosen.clear();
    while chosen.len() < m as usize {
        let other = targets.below(u64::from(people) - 1) as u32 + 1;
        let target = if other < person { other } else { other + 1 };
        if !chosen.contains(&target) {
            chosen.push(target);
        }
    }
}

/// The activity of each person, in (0, 1], the greatest first.
fn activities(people: u32, parameters: &ActivityDriven, seed: u64) -> Vec<f64> {
    let mut potentials = Sequence::new(seed, POTENTIALS);
    let power = 1.0 - parameters.exponent;
    let smallest = parameters.smallest_potential;
    let span = exp(power * ln(smallest));
    let potential = |unit: f64| {
        // The inverse of the distribution function: from ε at 0 to 1 at 1.
        let x = exp(ln(span + unit * (1.0 - span)) / power);
        x.clamp(smallest, 1.0)
    };
    let mut activities: Vec<f64> =
        (0..people).map(|_| parameters.activity_scale * potential(potentials.unit())).collect();
    activities.sort_unstable_by(|a, b| b.total_cmp(a));
    activities
}

/// How often a trial of probability `success` fails before it succeeds, for a uniform `unit`.
fn failures(unit: f64, success: f64) -> u64 {
    if success >= 1.0 {
        return 0;
    }
    // A cast to an integer rounds down, and saturates.
    (ln(1.0 - unit) / ln(1.0 - success)) as u64
}

/// The natural logarithm of a positive, normal number, to about 2 units of the last place.
fn ln(x: f64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut mantissa = f64::from_bits(bits & MANTISSA | 1023 << 52);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    // ln m = 2·artanh(s) = 2·(s + s³/3 + s⁵/5 …) with |s| < 0.172: 12 terms leave 1e-20.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = (0..12).rev().fold(0.0, |sum, term| sum * square + 1.0 / f64::from(2 * term + 1));
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * s * series
}

/// The exponential of a number between -700 and 700, to about 2e-14.
fn exp(x: f64) -> f64 {
    let doublings = (x / std::f64::consts::LN_2).clamp(-1000.0, 1000.0) as i64;
    let rest = x - doublings as f64 * std::f64::consts::LN_2;
    // |rest| < 0.7: the term after the twentieth is below 1e-22.
    let series = (1..=20).rev().fold(1.0, |sum, term| 1.0 + sum * rest / f64::from(term));
    series * f64::from_bits(((1023 + doublings) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::contacts::tests::contacts;

    const PARAMETERS: ActivityDriven = ActivityDriven {
        contacts: 20_000,
        contacts_per_activation: 1,
        exponent: 2.8,
        smallest_potential: 0.01,
        activity_scale: 0.5,
    };

    /// FNV-1a of 64 bits: enough to notice a changed byte. Source: Fowler, Noll, Vo.
    fn digest(text: &str) -> u64 {
        text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }

    #[test]
    fn the_text_of_a_seed_never_changes() {
        let text = generate(1000, &PARAMETERS, 1).unwrap();
        assert_eq!(text.lines().count(), 20_000);
        assert_eq!(digest(&text), 1_981_889_976_858_770_206);
        assert_ne!(text, generate(1000, &PARAMETERS, 2).unwrap());
    }

    #[test]
    fn fewer_contacts_are_the_beginning_of_more() {
        let fewer = ActivityDriven { contacts: 777, ..PARAMETERS };
        let (short, long) =
            (generate(500, &fewer, 3).unwrap(), generate(500, &PARAMETERS, 3).unwrap());
        assert!(long.starts_with(&short));
        assert_eq!(short.lines().count(), 777);
    }

    #[test]
    fn contacts_obey_the_model() {
        let parameters = ActivityDriven { contacts_per_activation: 7, ..PARAMETERS };
        for people in [8, 9, 1000] {
            let contacts = contacts(&generate(people, &parameters, 5).unwrap());
            assert_eq!(contacts.list().len(), 20_000);
            let mut activations: HashSet<(i64, u32)> = HashSet::new();
            for group in contacts.list().chunks(7) {
                let (time, source) = (group[0].time, group[0].source);
                assert!(activations.insert((time, source)), "active twice in a step");
                let targets: HashSet<u32> = group.iter().map(|contact| contact.target).collect();
                assert_eq!(targets.len(), group.len(), "the same other twice");
                for contact in group {
                    assert_eq!((contact.time, contact.source), (time, source));
                    assert_ne!(contact.source, contact.target);
                }
            }
            assert!(contacts.names().len() <= people as usize);
        }
    }

    #[test]
    fn equal_people_with_activity_one_send_at_every_step() {
        let parameters = ActivityDriven {
            contacts: 10,
            smallest_potential: 1.0,
            activity_scale: 1.0,
            ..PARAMETERS
        };
        let text = generate(2, &parameters, 1).unwrap();
        assert_eq!(text, "1 2 1\n2 1 1\n1 2 2\n2 1 2\n1 2 3\n2 1 3\n1 2 4\n2 1 4\n1 2 5\n2 1 5\n");
    }

    #[test]
    fn activities_follow_the_power_law() {
        let n = 200_000;
        let found = activities(n, &PARAMETERS, 9);
        assert!(found.iter().all(|a| (0.005..=0.5).contains(a)));
        assert!(found.is_sorted_by(|a, b| a >= b));
        // The share of people with x > q: (q^(1-γ) - 1) / (ε^(1-γ) - 1).
        for quantile in [0.012, 0.02, 0.05, 0.1, 0.3] {
            let over = found.iter().filter(|a| **a > 0.5 * quantile).count() as f64 / f64::from(n);
            let expected = (f64::powf(quantile, -1.8) - 1.0) / (f64::powf(0.01, -1.8) - 1.0);
            let error = (expected * (1.0 - expected) / f64::from(n)).sqrt();
            assert!((over - expected).abs() < 5.0 * error, "{quantile}: {over} {expected}");
        }
    }

    #[test]
    fn waits_are_geometric_and_targets_uniform() {
        let mut sequence = Sequence::new(4, 4);
        for activity in [0.9, 0.5, 0.03] {
            let n = 50_000;
            let sum: u64 = (0..n).map(|_| failures(sequence.unit(), activity)).sum();
            let (mean, expected) = (sum as f64 / f64::from(n), (1.0 - activity) / activity);
            let error = (1.0 - activity).sqrt() / activity / f64::from(n).sqrt();
            assert!((mean - expected).abs() < 5.0 * error, "{activity}: {mean}");
        }
        let contacts = contacts(&generate(100, &PARAMETERS, 6).unwrap());
        let mut received = vec![0.0f64; contacts.names().len()];
        for contact in contacts.list() {
            received[contact.target as usize] += 1.0;
        }
        assert_eq!(received.len(), 100);
        // About 200 each; six standard deviations.
        assert!(received.iter().all(|n| (n - 200.0).abs() < 85.0), "{received:?}");
    }

    #[test]
    fn logarithm_and_exponential_agree_with_the_library() {
        for step in 1..4000 {
            let x = f64::from(step) / 400.0;
            for value in [x, x * 1e-9, 1.0 - x / 10.1, x * 1e9] {
                assert!(
                    (ln(value) - value.ln()).abs() <= 1e-15 * value.ln().abs().max(1e-3),
                    "{value}"
                );
            }
            for value in [x, -x, 12.0 * x, -12.0 * x] {
                assert!((exp(value) / value.exp() - 1.0).abs() < 1e-13, "{value}");
            }
        }
        assert_eq!((ln(1.0), exp(0.0)), (0.0, 1.0));
    }

    #[test]
    fn values_out_of_range() {
        let p = PARAMETERS;
        let cases = [
            (1, p, "population.people"),
            (MAX_PEOPLE + 1, p, "population.people"),
            (9, ActivityDriven { contacts: 0, ..p }, "space.contacts"),
            (9, ActivityDriven { contacts: MAX_CONTACTS + 1, ..p }, "space.contacts"),
            (
                9,
                ActivityDriven { contacts_per_activation: 0, ..p },
                "space.contacts_per_activation",
            ),
            (
                9,
                ActivityDriven { contacts_per_activation: 9, ..p },
                "space.contacts_per_activation",
            ),
            (
                999,
                ActivityDriven { contacts_per_activation: 101, ..p },
                "space.contacts_per_activation",
            ),
            (9, ActivityDriven { exponent: 1.0, ..p }, "space.exponent"),
            (9, ActivityDriven { exponent: f64::NAN, ..p }, "space.exponent"),
            (9, ActivityDriven { exponent: f64::INFINITY, ..p }, "space.exponent"),
            (9, ActivityDriven { smallest_potential: 0.0, ..p }, "space.smallest_potential"),
            (9, ActivityDriven { smallest_potential: 1.1, ..p }, "space.smallest_potential"),
            (9, ActivityDriven { activity_scale: -0.5, ..p }, "space.activity_scale"),
            (9, ActivityDriven { activity_scale: 1.1, ..p }, "space.activity_scale"),
        ];
        for (people, parameters, key) in cases {
            assert_eq!(generate(people, &parameters, 1).unwrap_err().key, key);
        }
    }
}
