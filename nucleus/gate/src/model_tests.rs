//! The gate against a model that is read in the plainest way: a lease is the set of all pairs of
//! right and resource that it allows, and a list of what stands above it.
//!
//! 20,000 sequences of up to 40 deeds in each run of the tests; `KARYON_GATE_SEQUENCES` asks for
//! more.

use std::collections::BTreeSet;

use karyon_types::{Denial, LeaseId};
use proptest::prelude::*;

use super::tests::{grant, lease, request};
use super::*;

const SEQUENCES: u32 = 20_000;

#[derive(Clone, Debug)]
enum Deed {
    /// A grant of one of two principals, for one of two reasons.
    Grant {
        of: usize,
        rights: u32,
        scope: (u64, u64),
        expires: Option<u64>,
    },
    /// A lease from a grant, or from a lease that was made one from which to cut.
    Cut {
        from: usize,
        owner: u64,
        rights: u32,
        scope: (u64, u64),
        expires: Option<u64>,
    },
    /// Makes a lease one from which to cut.
    Attenuate {
        lease: usize,
    },
    Stop {
        stop: usize,
        verb: Verb,
    },
    Lease {
        lease: usize,
        verb: Verb,
    },
    Agent {
        owner: u64,
        suspend: bool,
    },
    Close {
        lease: usize,
    },
    Check {
        lease: usize,
        agent: Option<u64>,
        right: u32,
        target: u64,
        now: u64,
    },
    Halt,
}

#[derive(Clone, Copy, Debug)]
enum Verb {
    Suspend,
    Resume,
    Revoke,
}

fn deed() -> impl Strategy<Value = Deed> {
    // Mostly wide, sometimes empty.
    let scope =
        || (prop_oneof![2 => Just(0u64), 1 => 0u64..5], prop_oneof![2 => Just(4u64), 1 => 0u64..5]);
    let rights = || prop_oneof![2 => Just(3u32), 1 => 0u32..4];
    let expires = || prop::option::weighted(0.3, 0u64..6);
    let verb = || prop::sample::select(vec![Verb::Suspend, Verb::Resume, Verb::Revoke]);
    let cut = (0usize..6, 1u64..4, rights(), scope(), expires());
    prop_oneof![
        2 => (0usize..2, rights(), scope(), expires())
            .prop_map(|(of, rights, scope, expires)| Deed::Grant { of, rights, scope, expires }),
        6 => cut.prop_map(|(from, owner, rights, scope, expires)| {
            Deed::Cut { from, owner, rights, scope, expires }
        }),
        2 => (0usize..8).prop_map(|lease| Deed::Attenuate { lease }),
        3 => (0usize..10, verb()).prop_map(|(stop, verb)| Deed::Stop { stop, verb }),
        3 => (0usize..8, verb()).prop_map(|(lease, verb)| Deed::Lease { lease, verb }),
        1 => (1u64..4, any::<bool>()).prop_map(|(owner, suspend)| Deed::Agent { owner, suspend }),
        2 => (0usize..8).prop_map(|lease| Deed::Close { lease }),
        14 => (0usize..9, prop::option::weighted(0.2, 1u64..4), 1u32..4, 0u64..5, 0u64..6).prop_map(
            |(lease, agent, right, target, now)| Deed::Check { lease, agent, right, target, now }
        ),
    ]
}

/// What somebody did to something.
#[derive(Clone, Copy, Default)]
struct Held {
    suspended: u32,
    revoked: bool,
}

impl Held {
    fn hear(&mut self, verb: Verb) {
        match verb {
            Verb::Suspend => self.suspended += 1,
            Verb::Resume => self.suspended = self.suspended.saturating_sub(1),
            Verb::Revoke => self.revoked = true,
        }
    }
}

/// From what leases are cut.
struct Source {
    terms: Grant,
    rights: BTreeSet<(u32, u64)>,
    chain: Chain,
    /// Places in `Model::held`.
    above: Vec<usize>,
}

struct Kept {
    handle: Handle,
    terms: Lease,
    rights: BTreeSet<(u32, u64)>,
    above: Vec<usize>,
    chain: Chain,
    held: Held,
    agent_suspended: u32,
    closed: bool,
}

#[derive(Default)]
struct Model {
    /// All stops, with what the gate calls them.
    held: Vec<(Stop, Held)>,
    /// A stop, and one below it: a lease looks at the line that it is cut from alone, so who stops
    /// a line stops those below it. (Principals and reasons are looked at by all.)
    below: Vec<(usize, usize)>,
    sources: Vec<Source>,
    leases: Vec<Kept>,
    halted: bool,
}

/// All that a set of rights on a scope allows.
fn pairs(rights: u32, scope: (u64, u64)) -> BTreeSet<(u32, u64)> {
    let bits = [1, 2].into_iter().filter(|bit| rights & bit != 0);
    bits.flat_map(|bit| (scope.0..=scope.1).map(move |target| (bit, target))).collect()
}

impl Model {
    fn stop(&mut self, gate: &Gate) -> (usize, Stop) {
        let stop = gate.new_stop().unwrap();
        self.held.push((stop, Held::default()));
        (self.held.len() - 1, stop)
    }

    /// What holds a line up, by itself and through those above it.
    fn line(&self, place: usize) -> Held {
        let over = self.below.iter().find(|two| two.1 == place).map(|two| self.line(two.0));
        let (over, own) = (over.unwrap_or_default(), self.held[place].1);
        Held { suspended: own.suspended + over.suspended, revoked: own.revoked || over.revoked }
    }

    fn hear(&mut self, gate: &Gate, place: usize, verb: Verb) {
        let held = &mut self.held[place].1;
        if held.suspended == 0 && matches!(verb, Verb::Resume) && place > 3 {
            // It would lift a suspension that came from above: who keeps lines does not do that.
            return;
        }
        held.hear(verb);
        self.tell(gate, place, verb);
    }

    fn tell(&self, gate: &Gate, place: usize, verb: Verb) {
        let stop = self.held[place].0;
        match verb {
            Verb::Suspend => gate.suspend(stop),
            Verb::Resume => gate.resume(stop),
            Verb::Revoke => gate.revoke(stop),
        }
        let held = self.line(place);
        let hold = match (held.revoked, held.suspended) {
            (true, _) => Hold::Revoked,
            (false, 0) => Hold::None,
            (false, _) => Hold::Suspended,
        };
        assert_eq!(gate.hold(stop), hold);
        let below = self.below.iter().filter(|two| two.0 == place);
        below.for_each(|two| self.tell(gate, two.1, verb));
    }

    fn answer(&self, held: Option<&Kept>, deed: (u64, u32, u64, u64)) -> Result<LeaseId, Denial> {
        let (agent, right, target, now) = deed;
        if self.halted {
            return Err(Denial::SystemHalted);
        }
        let lease = held.ok_or(Denial::DefaultDeny)?;
        let above = || lease.above.iter().map(|place| self.held[*place].1);
        let rules = [
            (lease.closed, Denial::UnknownLease),
            (lease.terms.owner.0 != agent, Denial::LeaseAgentMismatch),
            (lease.held.revoked || above().any(|held| held.revoked), Denial::LeaseRevoked),
            (lease.agent_suspended > 0, Denial::AgentHalted),
            (
                lease.held.suspended > 0 || above().any(|held| held.suspended > 0),
                Denial::LeaseSuspended,
            ),
            (lease.terms.expires.is_some_and(|end| now >= end.0), Denial::LeaseExpired),
            (
                !(0..5).any(|any| pairs(right, (any, any)).is_subset(&lease.rights)),
                Denial::CapabilityNotGranted,
            ),
            (
                !pairs(right, (target, target)).is_subset(&lease.rights),
                Denial::ExceedsCapabilityScope,
            ),
        ];
        match rules.into_iter().find(|(broken, _)| *broken) {
            Some((_, denial)) => Err(denial),
            None => Ok(lease.terms.id),
        }
    }
}

/// Plays a sequence; how often something was admitted.
fn play(deeds: &[Deed]) -> u64 {
    let gate = Gate::default();
    let mut model = Model::default();
    let principals = [0; 2].map(|_| model.stop(&gate));
    let reasons = [0; 2].map(|_| model.stop(&gate));
    let mut admitted = 0;
    let mut serial = 0;
    let wide = [
        Deed::Grant { of: 0, rights: 3, scope: (0, 4), expires: None },
        Deed::Cut { from: 0, owner: 1, rights: 3, scope: (0, 4), expires: None },
    ];
    for deed in wide.iter().chain(deeds) {
        match deed.clone() {
            Deed::Grant { of, rights, scope, expires } => {
                let (place, line) = model.stop(&gate);
                model.sources.push(Source {
                    terms: grant(rights, scope, expires),
                    rights: pairs(rights, scope),
                    chain: Chain { principal: principals[of].1, reason: reasons[1 - of].1, line },
                    above: vec![principals[of].0, reasons[1 - of].0, place],
                });
            }
            Deed::Cut { from, owner, rights, scope, expires } => {
                let Some(source) = model.sources.get(from % model.sources.len().max(1)) else {
                    continue;
                };
                serial += 1;
                let terms = Lease { id: LeaseId(serial), ..lease(owner, rights, scope, expires) };
                let set = pairs(rights, scope);
                let later = match (source.terms.expires, terms.expires) {
                    (Some(end), Some(mine)) => mine > end,
                    (Some(_), None) => true,
                    (None, _) => false,
                };
                // Without a right, the set does not show the scope.
                let reach = pairs(3, scope)
                    .is_subset(&pairs(3, (source.terms.scope.first, source.terms.scope.last)));
                let wider = !set.is_subset(&source.rights)
                    || rights & !source.terms.rights.0 != 0
                    || !reach
                    || scope.0 > scope.1
                    || later;
                match gate.open(&source.terms, &terms, source.chain) {
                    Ok(handle) => {
                        assert!(!wider, "{terms:?} from {:?}", source.terms);
                        model.leases.push(Kept {
                            handle,
                            terms,
                            rights: set,
                            above: source.above.clone(),
                            chain: source.chain,
                            held: Held::default(),
                            agent_suspended: 0,
                            closed: false,
                        });
                    }
                    Err(error) => assert!(wider, "{error}: {terms:?} from {:?}", source.terms),
                }
            }
            Deed::Attenuate { lease } => {
                let lease = lease % model.leases.len().max(1);
                if model.leases.is_empty() {
                    continue;
                }
                let (place, line) = model.stop(&gate);
                let parent = &model.leases[lease];
                let over = *parent.above.last().unwrap();
                let terms = Grant {
                    rights: parent.terms.rights,
                    scope: parent.terms.scope,
                    expires: parent.terms.expires,
                    ..grant(0, (0, 0), None)
                };
                let (above, rights) =
                    ([&parent.above[..], &[place]].concat(), parent.rights.clone());
                let chain = Chain { line, ..parent.chain };
                model.below.push((over, place));
                model.sources.push(Source { terms, rights, chain, above });
                // What holds the line above up holds this one up, too.
                let inherited = model.line(over);
                (0..inherited.suspended).for_each(|_| gate.suspend(line));
                if inherited.revoked {
                    gate.revoke(line);
                }
            }
            Deed::Stop { stop, verb } => {
                if stop < model.held.len() {
                    model.hear(&gate, stop, verb);
                }
            }
            Deed::Lease { lease, verb } => {
                let lease = lease % model.leases.len().max(1);
                let Some(lease) = model.leases.get_mut(lease) else { continue };
                let found = match verb {
                    Verb::Suspend => gate.suspend_lease(lease.handle),
                    Verb::Resume => gate.resume_lease(lease.handle),
                    Verb::Revoke => gate.revoke_lease(lease.handle),
                };
                assert_eq!(found, !lease.closed);
                lease.held.hear(verb);
            }
            Deed::Agent { owner, suspend } => {
                let mut handles = Vec::new();
                for lease in model.leases.iter_mut().filter(|l| l.terms.owner.0 == owner) {
                    if !lease.closed {
                        handles.push(lease.handle);
                        lease.agent_suspended = match suspend {
                            true => lease.agent_suspended + 1,
                            false => lease.agent_suspended.saturating_sub(1),
                        };
                    }
                }
                assert!(match suspend {
                    true => gate.suspend_agent(&handles),
                    false => gate.resume_agent(&handles),
                });
            }
            Deed::Close { lease } => {
                let lease = lease % model.leases.len().max(1);
                let Some(lease) = model.leases.get_mut(lease) else { continue };
                assert_eq!(gate.close(lease.handle), !lease.closed);
                lease.closed = true;
            }
            Deed::Check { lease, agent, right, target, now } => {
                // Now and then, no lease at all.
                let held = match lease {
                    8 => None,
                    lease => model.leases.get(lease % model.leases.len().max(1)),
                };
                let agent = agent.or(held.map(|h| h.terms.owner.0)).unwrap_or(1);
                let answer =
                    gate.check(held.map(|h| h.handle), &request(agent, right, target, now));
                let expected = model.answer(held, (agent, right, target, now));
                assert_eq!(answer, expected, "{deed:?}");
                admitted += u64::from(answer.is_ok());
            }
            Deed::Halt => {
                gate.halt();
                model.halted = true;
            }
        }
    }
    admitted
}

#[test]
fn agrees_with_sets_of_rights() {
    let sequences = std::env::var("KARYON_GATE_SEQUENCES")
        .map_or(SEQUENCES, |text| text.parse().expect("a number of sequences"));
    let config = ProptestConfig {
        cases: sequences,
        source_file: Some(file!()),
        ..ProptestConfig::default()
    };
    let admitted = std::cell::Cell::new(0);
    let sequence =
        (prop::collection::vec(deed(), 4..40), prop::collection::vec(deed(), 0..3), 0..9);
    proptest::test_runner::TestRunner::new(config)
        .run(&sequence, |(mut deeds, behind, halts)| {
            if halts == 0 {
                deeds.push(Deed::Halt);
            }
            deeds.extend(behind);
            admitted.set(admitted.get() + play(&deeds));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{sequences} sequences, {} checks admitted", admitted.get());
    assert!(admitted.get() > u64::from(sequences), "hardly anything is ever admitted");
}
