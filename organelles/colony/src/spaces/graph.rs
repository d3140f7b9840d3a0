//! Networks: who knows whom.

use karyon::{exponential, ln};
use serde::{Deserialize, Serialize};

use crate::random::Sequence;

/// Pairs of a network, at most: a pair takes 8 bytes.
pub const PAIRS_MAX: usize = 1 << 28;

/// An undirected network of vertices 0, 1, 2 … without loops and double edges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// Where the neighbours of each vertex begin, and where the last one's end.
    begins: Vec<u32>,
    /// Of each vertex in ascending order.
    neighbours: Vec<u32>,
}

impl Graph {
    /// The network of `vertices` vertices with these edges, both ways. Loops, edges that are there
    /// already and those of vertices that are not there are left out.
    pub fn of(vertices: u32, edges: impl IntoIterator<Item = (u32, u32)>) -> Graph {
        let is_edge = |(a, b): &(u32, u32)| a != b && *a < vertices && *b < vertices;
        let edges = edges.into_iter().filter(is_edge).take(PAIRS_MAX / 2);
        let mut pairs: Vec<_> = edges.flat_map(|(a, b)| [(a, b), (b, a)]).collect();
        pairs.sort_unstable();
        pairs.dedup();
        let mut begins = Vec::with_capacity(vertices as usize + 1);
        let mut end = 0;
        for vertex in 0..=vertices {
            begins.push(end as u32);
            end += pairs.iter().skip(end).take_while(|(from, _)| *from == vertex).count();
        }
        Graph { begins, neighbours: pairs.into_iter().map(|(_, to)| to).collect() }
    }

    /// How many vertices there are.
    pub fn vertices(&self) -> u32 {
        (self.begins.len() as u32).saturating_sub(1)
    }

    /// How many edges.
    pub fn edges(&self) -> usize {
        self.neighbours.len() / 2
    }

    /// Who knows a vertex, in ascending order.
    #[inline]
    pub fn neighbours(&self, vertex: u32) -> &[u32] {
        let begin = self.begins.get(vertex as usize).copied().unwrap_or(0) as usize;
        let end = self.begins.get(vertex as usize + 1).copied().unwrap_or(0) as usize;
        self.neighbours.get(begin..end).unwrap_or_default()
    }

    /// Each pair is an edge with probability `p`. Source: Erdős, Rényi 1959; Gilbert 1959; drawn as
    /// Batagelj, Brandes, "Efficient generation of large random networks", 2005.
    pub fn erdos_renyi(vertices: u32, p: f64, draws: &mut Sequence) -> Graph {
        if p >= 1.0 {
            return Graph::complete(vertices);
        }
        let mut edges = Vec::new();
        let (mut low, mut high) = (u64::MAX, 1u64);
        while p > 0.0 && high < u64::from(vertices) && edges.len() < PAIRS_MAX / 2 {
            // How many pairs are none until the next edge: geometrically distributed.
            let skipped = (exponential(draws.bits(), 1.0) / -ln(1.0 - p)).floor();
            low = low.wrapping_add(1).saturating_add(skipped as u64);
            while low >= high && high < u64::from(vertices) {
                (low, high) = (low - high, high + 1);
            }
            if high < u64::from(vertices) {
                edges.push((low as u32, high as u32));
            }
        }
        Graph::of(vertices, edges)
    }

    /// A ring in which each knows the `degree` nearest (rounded down to an even number), and each
    /// edge is led elsewhere with probability `rewired`. Source: Watts, Strogatz, "Collective
    /// dynamics of 'small-world' networks", Nature 393, 1998.
    pub fn watts_strogatz(vertices: u32, degree: u32, rewired: f64, draws: &mut Sequence) -> Graph {
        let half = (degree / 2).min(vertices.saturating_sub(1) / 2);
        let mut edges = std::collections::HashSet::new();
        let ring = |near| (0..vertices).map(move |from| (from, (from + near) % vertices));
        let all: Vec<(u32, u32)> = (1..=half).flat_map(ring).collect();
        let key = |a: u32, b: u32| (a.min(b), a.max(b));
        edges.extend(all.iter().map(|(a, b)| key(*a, *b)));
        for (from, to) in all {
            if draws.unit() >= rewired {
                continue;
            }
            // Whoever knows all others keeps what it has.
            for _ in 0..64 {
                let other = draws.below(u64::from(vertices)) as u32;
                if other != from && edges.insert(key(from, other)) {
                    edges.remove(&key(from, to));
                    break;
                }
            }
        }
        // Sorted by `of`: the order of a set is no one's.
        Graph::of(vertices, edges)
    }

    /// Each newcomer gets to know `links` others, in proportion to how many know these. Begins with
    /// `links` + 1 who all know each other. Source: Barabási, Albert, "Emergence of scaling in random
    /// networks", Science 286, 1999.
    pub fn barabasi_albert(vertices: u32, links: u32, draws: &mut Sequence) -> Graph {
        let first = links.saturating_add(1).min(vertices);
        let mut edges: Vec<(u32, u32)> =
            (0..first).flat_map(|a| (0..a).map(move |b| (a, b))).collect();
        // Each vertex as often as somebody knows it.
        let mut known: Vec<u32> = edges.iter().flat_map(|(a, b)| [*a, *b]).collect();
        for newcomer in first..vertices {
            let mut chosen = Vec::with_capacity(links as usize);
            while chosen.len() < links as usize {
                let at = draws.below(known.len() as u64) as usize;
                let Some(other) = known.get(at).filter(|other| !chosen.contains(*other)) else {
                    continue;
                };
                chosen.push(*other);
            }
            for other in chosen {
                edges.push((newcomer, other));
                known.extend([newcomer, other]);
            }
        }
        Graph::of(vertices, edges)
    }

    /// Each vertex knows as many as `degrees` says, but for loops and double edges, which are left
    /// out (the erased configuration model). Source: Newman, "Networks", 2nd ed., 12.
    pub fn configuration(degrees: &[u32], draws: &mut Sequence) -> Graph {
        let stubs = (0..).zip(degrees).flat_map(|(v, d)| std::iter::repeat_n(v, *d as usize));
        let mut stubs: Vec<u32> = stubs.take(PAIRS_MAX).collect();
        shuffle(&mut stubs, draws);
        let (pairs, _) = stubs.as_chunks::<2>();
        Graph::of(degrees.len() as u32, pairs.iter().map(|[a, b]| (*a, *b)))
    }

    /// All know each other.
    pub fn complete(vertices: u32) -> Graph {
        Graph::of(vertices, (0..vertices).flat_map(|a| (0..a).map(move |b| (a, b))))
    }
}

/// Brings a list into an order of which each is as likely as any other. Source: Fisher, Yates 1938;
/// Durstenfeld 1964.
pub fn shuffle<T>(list: &mut [T], draws: &mut Sequence) {
    for last in (1..list.len()).rev() {
        list.swap(last, draws.below(last as u64 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_sound(graph: &Graph) {
        for vertex in 0..graph.vertices() {
            let neighbours = graph.neighbours(vertex);
            assert!(neighbours.is_sorted_by(|a, b| a < b), "{vertex}: {neighbours:?}");
            assert!(!neighbours.contains(&vertex));
            assert!(neighbours.iter().all(|other| graph.neighbours(*other).contains(&vertex)));
        }
    }

    proptest! {
        #[test]
        fn each_generator_makes_a_network(vertices in 3u32..60, seed: u64, degree in 1u32..9) {
            let mut draws = Sequence::new(seed, 0);
            let links = degree.min(vertices - 1);
            let degrees = vec![degree; vertices as usize];
            for graph in [
                Graph::erdos_renyi(vertices, 0.3, &mut draws),
                Graph::watts_strogatz(vertices, degree, 0.2, &mut draws),
                Graph::barabasi_albert(vertices, links, &mut draws),
                Graph::configuration(&degrees, &mut draws),
                Graph::complete(vertices),
            ] {
                prop_assert_eq!(graph.vertices(), vertices);
                is_sound(&graph);
            }
        }
    }

    #[test]
    fn edges_are_those_that_were_given() {
        let graph = Graph::of(4, [(0, 1), (1, 0), (2, 2), (3, 1), (1, 9)]);
        assert_eq!((graph.vertices(), graph.edges()), (4, 2));
        assert_eq!(graph.neighbours(1), [0, 3]);
        assert_eq!(graph.neighbours(2), [0u32; 0]);
        assert_eq!(graph.neighbours(9), [0u32; 0]);
    }

    /// Means of 200 networks, within five standard errors.
    #[test]
    fn networks_have_the_edges_that_their_models_say() {
        let mut draws = Sequence::new(20_261_122, 0);
        let pairs = 100.0 * 99.0 / 2.0;
        let edges: Vec<f64> =
            (0..200).map(|_| Graph::erdos_renyi(100, 0.05, &mut draws).edges() as f64).collect();
        let mean = edges.iter().sum::<f64>() / 200.0;
        let error = (pairs * 0.05 * 0.95 / 200.0f64).sqrt();
        assert!((mean - pairs * 0.05).abs() < 5.0 * error, "{mean}");
        assert_eq!(Graph::watts_strogatz(100, 6, 0.5, &mut draws).edges(), 300);
        let graph = Graph::barabasi_albert(1_000, 3, &mut draws);
        assert_eq!(graph.edges(), 6 + 996 * 3);
        // Some know very many: in a network without preference nobody knows 50.
        assert!((0..1_000).any(|vertex| graph.neighbours(vertex).len() > 50));
        assert_eq!(Graph::complete(20).edges(), 190);
    }

    #[test]
    fn one_seed_makes_one_network() {
        let made = |seed| Graph::watts_strogatz(500, 8, 0.3, &mut Sequence::new(seed, 7));
        assert_eq!(made(5), made(5));
        assert_ne!(made(5), made(6));
    }
}
