//! The Zipf load: few vertices change all the time, most hardly ever.

use std::collections::HashMap;

use karyon_memory_ops::{Content, Entity, Valid, Vertex, Write};
use karyon_types::AgentId;

use crate::history::{CONTACT, PERSON, Question, contact, profile, time};
use crate::hop::{mix, shuffled};

/// The exponent. Source: AeonG, VLDB 2024, whose load is as skewed.
const EXPONENT: f64 = 1.1;
/// Of so many mutations one is about an edge.
const EDGES_EACH: u64 = 5;
/// Of so many mutations of edges one says that the edge is no more.
const ENDS_EACH: u64 = 8;
/// Edges begin at any vertex and end at one of so many behind it, so that they come back.
const REACH: u64 = 8;

/// Numbers from 0 on, the n-th of them (n + 1)^-1.1 times as often as the first.
pub struct Zipf {
    /// Up to which part of all draws each number, and those before it, come.
    up_to: Vec<f64>,
}

impl Zipf {
    /// Of `count` numbers.
    pub fn new(count: u64) -> Zipf {
        let weights = (1..=count).map(|rank| (rank as f64).powf(-EXPONENT));
        let mut up_to: Vec<f64> = weights
            .scan(0.0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        let sum = up_to.last().copied().unwrap_or(1.0);
        up_to.iter_mut().for_each(|part| *part /= sum);
        Zipf { up_to }
    }

    /// The number that 64 random bits draw.
    pub fn draw(&self, bits: u64) -> u64 {
        self.number_at((bits >> 11) as f64 / (1u64 << 53) as f64)
    }

    /// The number that stands at this part of all draws, those of lower numbers before it.
    pub fn number_at(&self, part: f64) -> u64 {
        let number = self.up_to.partition_point(|up_to| *up_to <= part);
        number.min(self.up_to.len().saturating_sub(1)) as u64
    }
}

/// Mutations of a graph, one a moment from moment 0 on, each in a record of its own. Of five of
/// them four are a version more of a vertex with eight properties of some 220 bytes, of which it
/// changes one and carries all; the fifth is about an edge, and every eighth of those ends it.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Vertices, agents from number 1 on.
    pub vertices: u64,
    /// Mutations in all.
    pub mutations: u64,
}

impl Load {
    /// All mutations in order; the place of each is its moment.
    pub fn writes(self) -> impl Iterator<Item = Write> {
        let mut versions = HashMap::new();
        self.subjects().map(move |(moment, subject)| {
            let vertex = |serial| Vertex::Agent(AgentId(serial));
            let valid = Valid::since(time(moment as i64));
            let draw = mix(moment << 2 | 1);
            let (entity, other) = if moment % EDGES_EACH == EDGES_EACH - 1 {
                let other = 1 + (subject + draw % REACH) % self.vertices;
                let (from, to) = (vertex(subject), vertex(other));
                (Entity::Edge { from, kind: CONTACT.into(), to }, other)
            } else {
                (Entity::Vertex(vertex(subject)), 0)
            };
            let version = versions.entry((subject, other)).or_insert(0);
            *version += 1;
            let content = match other {
                0 => Content::Present {
                    labels: [PERSON.to_owned()].into(),
                    properties: profile(subject, *version - 1),
                },
                _ if *version > 1 && (draw >> 32).is_multiple_of(ENDS_EACH) => Content::Ended,
                _ => contact(*version, valid.from),
            };
            Write { entity, valid, content }
        })
    }

    /// Questions about vertices at moments at which they were there, those that change often as
    /// often.
    pub fn questions(self, count: u64) -> Vec<Question> {
        let seen: Vec<(u64, u64)> =
            self.subjects().filter(|(moment, _)| moment % EDGES_EACH != EDGES_EACH - 1).collect();
        let question = |number| {
            let (begun, subject) =
                *seen.get(mix(2 * number) as usize % seen.len()).expect("there are mutations");
            let moment = begun + mix(2 * number + 1) % (self.mutations - begun);
            Question { subject, moment: moment as i64 }
        };
        (0..count).map(question).collect()
    }

    /// Each moment, and the vertex that changes or from which an edge does.
    fn subjects(self) -> impl Iterator<Item = (u64, u64)> {
        let zipf = Zipf::new(self.vertices);
        let serials = shuffled(self.vertices as usize);
        (0..self.mutations).map(move |moment| {
            let rank = zipf.draw(mix(moment << 2)) as usize;
            (moment, 1 + serials.get(rank).map_or(0, |serial| *serial as u64))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_comes_most_often_and_the_last_too() {
        let zipf = Zipf::new(100);
        let mut counts = [0u64; 100];
        for draw in 0..1_000_000 {
            counts[zipf.draw(mix(draw)) as usize] += 1;
        }
        let sum: f64 = (1..=100).map(|rank| f64::from(rank).powf(-1.1)).sum();
        for rank in [1, 2, 10, 100] {
            let expected = f64::from(rank as u32).powf(-1.1) / sum * 1e6;
            let counted = counts[rank - 1] as f64;
            assert!((counted / expected - 1.0).abs() < 0.05, "{rank}: {counted} {expected}");
        }
        assert_eq!((zipf.draw(0), zipf.draw(u64::MAX)), (0, 99));
    }

    #[test]
    fn each_moment_has_its_mutation() {
        let load = Load { vertices: 30, mutations: 4_000 };
        let (mut edges, mut ends, mut known) = (0, 0, std::collections::HashMap::new());
        for (moment, write) in (0..).zip(load.writes()) {
            assert_eq!(write.valid, Valid::since(time(moment)));
            edges += u32::from(matches!(write.entity, Entity::Edge { .. }));
            ends += u32::from(write.content == Content::Ended);
            known.entry(write.entity).or_insert(moment);
        }
        assert_eq!(edges, 800);
        assert!((40..160).contains(&ends), "{ends}");
        for Question { subject, moment } in load.questions(1_000) {
            let vertex = Entity::Vertex(Vertex::Agent(AgentId(subject)));
            assert!(known[&vertex] <= moment && moment < 4_000);
        }
    }
}
