//! The load of AeonG's T-mgBench, small: a graph of 10,000 users with 121,716 friendships, then
//! 320,000 operations on it, in the order and the shares of its generator.
//!
//! Source: Hou et al., "AeonG: An Efficient Built-in Temporal Support in Graph Databases", PVLDB
//! 17(6), 2024, and `tests/benchmarks/T-mgBench` of the repository `hououou/AeonG`. Different:
//! friendships are pseudo-random, since Pokec's are not here; and a new edge joins any two users
//! that are there, where theirs joins two of the new ones, which may not be there yet.

use std::collections::HashSet;

use karyon_memory_ops::{Content, Entity, Properties, Valid, Value, Vertex, Write};
use karyon_types::AgentId;

use crate::history::{CONTACT, PERSON, Question, time};
use crate::hop::{mix, shuffled};
use crate::load::Zipf;

/// Operations of one round: 16 updates, a new user, a new friendship, two that end.
const ROUND: u64 = 20;
const UPDATES: u64 = 16;

/// How large it is.
#[derive(Clone, Copy, Debug)]
pub struct Mgbench {
    /// Users at the beginning.
    pub users: u64,
    /// Friendships at the beginning.
    pub friendships: u64,
    /// Operations, in rounds of twenty.
    pub operations: u64,
}

impl Mgbench {
    /// The size that the paper calls small.
    pub const SMALL: Mgbench = Mgbench { users: 10_000, friendships: 121_716, operations: 320_000 };

    /// How many writes make the graph as it is at the beginning.
    pub fn initial(self) -> u64 {
        self.users + self.friendships
    }

    /// The graph, then the operations. The place of each write is its moment.
    pub fn writes(self) -> Vec<Write> {
        let mut graph = Growing::new(self);
        let mut writes = Vec::with_capacity((self.initial() + self.operations) as usize);
        for user in 1..=self.users {
            writes.push(user_at(writes.len(), user, 0));
        }
        for _ in 0..self.friendships {
            let (from, to) = graph.befriend();
            writes.push(friendship_at(writes.len(), from, to, true));
        }
        for operation in 0..self.operations {
            let now = writes.len();
            writes.push(match operation % ROUND {
                0..UPDATES => user_at(now, graph.busy(operation), operation + 1),
                UPDATES => user_at(now, graph.new_user(), operation + 1),
                17 => {
                    let (from, to) = graph.befriend();
                    friendship_at(now, from, to, true)
                }
                _ => {
                    let (from, to) = graph.part();
                    friendship_at(now, from, to, false)
                }
            });
        }
        writes
    }

    /// The graph as all that leaves it: of each entity that holds the last write.
    pub fn current(writes: &[Write]) -> Vec<Write> {
        let mut seen = HashSet::new();
        let is_last = |write: &&Write| seen.insert(write.entity.clone());
        let mut last: Vec<Write> = writes.iter().rev().filter(is_last).cloned().collect();
        last.retain(|write| write.content != Content::Ended);
        last.reverse();
        last
    }

    /// Questions about users who are there from the beginning, a third each about those with the
    /// first 30, the next 30 and the last 40 percent of all updates, at pseudo-random moments
    /// behind the beginning.
    pub fn questions(self, count: u64) -> Vec<Question> {
        let (zipf, serials) = (Zipf::new(self.users), shuffled(self.users as usize));
        let (hot, warm) = (zipf.number_at(0.3) + 1, zipf.number_at(0.6) + 1);
        let classes = [(0, hot), (hot, warm.max(hot + 1)), (warm, self.users)];
        let question = |number: u64| {
            let (first, end) = classes.get(number as usize % 3).copied().unwrap_or((0, 1));
            let rank = first + mix(2 * number) % (end - first).max(1);
            let serial = serials.get(rank as usize).copied().unwrap_or_default();
            let moment = self.initial() + mix(2 * number + 1) % self.operations;
            Question { subject: 1 + serial as u64, moment: moment as i64 }
        };
        (0..count).map(question).collect()
    }
}

/// What is there while it grows.
struct Growing {
    users: u64,
    /// All that ever were.
    friendships: HashSet<(u64, u64)>,
    /// Those of the beginning that hold, in the order in which they end.
    holding: Vec<(u64, u64)>,
    draws: u64,
    zipf: Zipf,
    serials: Vec<usize>,
    initial: u64,
}

impl Growing {
    fn new(size: Mgbench) -> Growing {
        Growing {
            users: size.users,
            friendships: HashSet::new(),
            holding: Vec::new(),
            draws: 1 << 40,
            zipf: Zipf::new(size.users),
            serials: shuffled(size.users as usize),
            initial: size.friendships,
        }
    }

    fn draw(&mut self) -> u64 {
        self.draws += 1;
        mix(self.draws)
    }

    /// A user who is drawn by Zipf.
    fn busy(&self, operation: u64) -> u64 {
        let rank = self.zipf.draw(mix(operation)) as usize;
        1 + self.serials.get(rank).copied().unwrap_or_default() as u64
    }

    fn new_user(&mut self) -> u64 {
        self.users += 1;
        self.users
    }

    /// Two that never were friends.
    fn befriend(&mut self) -> (u64, u64) {
        loop {
            let from = 1 + self.draw() % self.users;
            let to = 1 + self.draw() % self.users;
            if from != to && self.friendships.insert((from, to)) {
                if self.friendships.len() as u64 <= self.initial {
                    self.holding.push((from, to));
                }
                return (from, to);
            }
        }
    }

    /// A friendship of the beginning, which ends.
    fn part(&mut self) -> (u64, u64) {
        let index = self.draw() as usize % self.holding.len();
        self.holding.swap_remove(index)
    }
}

/// A user's four properties; an operation changes `completion_percentage`.
fn user_at(now: usize, user: u64, operation: u64) -> Write {
    let properties = Properties::from([
        ("age".into(), Value::Int((mix(user) % 80) as i64)),
        ("completion_percentage".into(), Value::Int((mix(user ^ operation << 32) % 101) as i64)),
        ("gender".into(), Value::Text(if user.is_multiple_of(2) { "man" } else { "woman" }.into())),
        ("id".into(), Value::Int(user as i64)),
    ]);
    let content = Content::Present { labels: [PERSON.to_owned()].into(), properties };
    let entity = Entity::Vertex(Vertex::Agent(AgentId(user)));
    Write { entity, valid: Valid::since(time(now as i64)), content }
}

fn friendship_at(now: usize, from: u64, to: u64, holds: bool) -> Write {
    let (from, to) = (Vertex::Agent(AgentId(from)), Vertex::Agent(AgentId(to)));
    let entity = Entity::Edge { from, kind: CONTACT.into(), to };
    let content = if holds { Content::with([]) } else { Content::Ended };
    Write { entity, valid: Valid::since(time(now as i64)), content }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: Mgbench = Mgbench { users: 50, friendships: 600, operations: 4_000 };

    #[test]
    fn eight_of_ten_operations_are_updates() {
        let writes = TINY.writes();
        let (graph, operations) = writes.split_at(TINY.initial() as usize);
        let entities: HashSet<_> = graph.iter().map(|write| &write.entity).collect();
        assert_eq!(entities.len(), 650);
        let count = |is: &dyn Fn(&Write) -> bool| operations.iter().filter(|w| is(w)).count();
        let is_edge = |write: &Write| matches!(write.entity, Entity::Edge { .. });
        assert_eq!(count(&|write| !is_edge(write)), 3_200 + 200);
        assert_eq!(count(&|write| is_edge(write) && write.content == Content::Ended), 400);
        assert_eq!(operations.len(), 4_000);
        // What ends was there, and ends once.
        let mut there = HashSet::new();
        for write in &writes {
            match write.content {
                Content::Present { .. } => _ = there.insert(write.entity.clone()),
                Content::Ended => assert!(there.remove(&write.entity)),
            }
        }
        let current = Mgbench::current(&writes);
        assert_eq!(current.len(), there.len());
        assert!(current.iter().all(|write| there.contains(&write.entity)));
        assert_eq!(current.len(), 650 + 200 + 200 - 400);
    }

    #[test]
    fn a_third_of_the_questions_is_about_the_busiest() {
        let questions = TINY.questions(3_000);
        let first = 1 + shuffled(50)[0] as u64;
        let hot = questions.iter().filter(|question| question.subject == first).count();
        // With 50 users the busiest one has almost 30 percent of all updates.
        assert!((400..=1_001).contains(&hot), "{hot}");
        assert!(questions.iter().all(|asked| (650..4_650).contains(&asked.moment)));
    }
}
