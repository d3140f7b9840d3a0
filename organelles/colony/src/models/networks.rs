//! `[space]` of the models that live on a network: which it is, and its own keys.

use karyon::below;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::parameter::{Allowed, Parameter};
use super::{Checked, table};
use crate::network::OutOfRange;
use crate::random::Sequence;
use crate::spaces::graph::{Graph, PAIRS_MAX};

/// Entries of `space.degrees`, at most: a list for people to write.
const DEGREES_MAX: usize = 10_000;

/// Who may meet whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "network", rename_all = "kebab-case")]
pub enum Network {
    /// A ring in which some edges lead elsewhere: a small world.
    WattsStrogatz {
        /// How many each knows on the ring: an even number.
        degree: u32,
        /// Probability that an edge of the ring leads elsewhere.
        rewiring: f64,
    },
    /// Each pair is an edge with one probability.
    ErdosRenyi {
        /// That probability.
        probability: f64,
    },
    /// Newcomers get to know those whom many know.
    BarabasiAlbert {
        /// How many each newcomer gets to know.
        links: u32,
    },
    /// Each knows as many as is said.
    Configuration {
        /// How many each knows; repeated where there are fewer than there are vertices.
        degrees: Vec<u32>,
    },
    /// All know each other. No edge is stored.
    Complete,
    /// Those know each other who are said to.
    Edges {
        /// Pairs of numbers, such as `1 2, 2 3`; the first agent is 1.
        edges: String,
    },
}

const NAMES: &[&str] =
    &["watts-strogatz", "erdos-renyi", "barabasi-albert", "configuration", "complete", "edges"];

/// The keys of all networks, for a model that is on this one unless it is said otherwise.
pub(super) fn keys(default: &Network) -> Vec<Parameter> {
    let own = table(default);
    let key = |network, name, meaning: &'static str, allowed: Allowed, default: Value| Parameter {
        section: "space",
        name,
        meaning: meaning.into(),
        allowed,
        default: Some(own.get(name).cloned().unwrap_or(default)),
        network,
    };
    let (ring, random) = (Some("watts-strogatz"), Some("erdos-renyi"));
    let (scale_free, given) = (Some("barabasi-albert"), Some("configuration"));
    let meaning = "Who knows whom: a network by the name of those who described it.";
    vec![
        key(None, "network", meaning, Allowed::Names(NAMES), Value::from("complete")),
        key(
            ring,
            "degree",
            "How many each knows on the ring: an even number.",
            (2..=1_000).into(),
            Value::from(8),
        ),
        key(
            ring,
            "rewiring",
            "Probability that an edge of the ring leads elsewhere.",
            (0.0..=1.0).into(),
            Value::from(0.1),
        ),
        key(
            random,
            "probability",
            "Probability that a pair is an edge.",
            (0.0..=1.0).into(),
            Value::from(0.001),
        ),
        key(
            scale_free,
            "links",
            "How many each newcomer gets to know.",
            (1..=1_000).into(),
            Value::from(4),
        ),
        key(
            given,
            "degrees",
            "How many each knows, one after the other; repeated where there are more.",
            Allowed::Wholes(DEGREES_MAX, 0, 1_000),
            Value::from(vec![4]),
        ),
        key(
            Some("edges"),
            "edges",
            "Who knows whom: pairs such as `1 2, 2 3`, where the first agent is 1, or the name of a file \
             beside the scenario, which is read into it: a pair a line.",
            Allowed::Pairs,
            Value::from("1 2"),
        ),
    ]
}

/// The edges that a text has: pairs of numbers from 1 on, apart by commas or in lines of their own.
///
/// # Errors
/// What stands where a pair was expected.
pub fn pairs(text: &str) -> Result<Vec<(u32, u32)>, &str> {
    let pieces = text.split([',', '\n']).map(str::trim).filter(|piece| !piece.is_empty());
    let pairs: Vec<_> = pieces.map(|piece| pair(piece).ok_or(piece)).collect::<Result<_, _>>()?;
    if pairs.is_empty() { Err(text) } else { Ok(pairs) }
}

fn pair(piece: &str) -> Option<(u32, u32)> {
    let number = |word: &str| word.parse().ok().filter(|number| *number > 0);
    let (one, other) = piece.split_once(char::is_whitespace)?;
    Some((number(one)?, number(other.trim_start())?))
}

/// Whether a key has a meaning beside the network that a table names.
pub(super) fn is_of(key: &Parameter, named: &Table) -> bool {
    let network = named.get("network").and_then(Value::as_str);
    key.network.is_none_or(|own| network == Some(own))
}

impl Network {
    /// Whether it can be one of so many vertices.
    pub(super) fn agree(&self, vertices: u32) -> Checked {
        let all = u64::from(vertices);
        let most = PAIRS_MAX as u64;
        let few = "so small that there are at most 134,217,728 edges";
        match self {
            Network::WattsStrogatz { degree, .. } => {
                let fits = all * u64::from(*degree) <= most;
                OutOfRange::unless(fits, "space.degree", degree, few)
            }
            Network::ErdosRenyi { probability } => {
                // Where edges are as many as that, chance adds next to nothing.
                let edges = all as f64 * all.saturating_sub(1) as f64 * probability;
                OutOfRange::unless(
                    edges <= 0.99 * most as f64,
                    "space.probability",
                    probability,
                    few,
                )
            }
            Network::BarabasiAlbert { links } => {
                let fits = *links < vertices;
                OutOfRange::unless(fits, "space.links", links, "fewer than there are to know")?;
                let fits = 2 * all * u64::from(*links) <= most;
                OutOfRange::unless(fits, "space.links", links, few)
            }
            Network::Configuration { degrees } => {
                let stubs: u64 = degrees.iter().map(|degree| u64::from(*degree)).sum();
                let stubs = stubs * all.div_ceil(degrees.len().max(1) as u64);
                let shown = format!("{} numbers", degrees.len());
                OutOfRange::unless(stubs <= most, "space.degrees", shown, few)
            }
            Network::Complete => Ok(()),
            Network::Edges { edges } => {
                let pairs = pairs(edges).unwrap_or_default();
                let beyond = pairs.iter().find(|(one, other)| *one.max(other) > vertices);
                let (one, other) = beyond.copied().unwrap_or_default();
                OutOfRange::unless(
                    beyond.is_none(),
                    "space.edges",
                    format!("\"{one} {other}\""),
                    "pairs of numbers from 1 to the number of agents",
                )
            }
        }
    }

    /// The network of so many vertices.
    pub(super) fn links(&self, vertices: u32, draws: &mut Sequence) -> Links {
        Links::These(match self {
            Network::WattsStrogatz { degree, rewiring } => {
                Graph::watts_strogatz(vertices, *degree, *rewiring, draws)
            }
            Network::ErdosRenyi { probability } => {
                Graph::erdos_renyi(vertices, *probability, draws)
            }
            Network::BarabasiAlbert { links } => Graph::barabasi_albert(vertices, *links, draws),
            Network::Configuration { degrees } => {
                let degrees: Vec<u32> =
                    degrees.iter().copied().cycle().take(vertices as usize).collect();
                Graph::configuration(&degrees, draws)
            }
            Network::Complete => return Links::All(vertices),
            Network::Edges { edges } => {
                let pairs = pairs(edges).unwrap_or_default().into_iter();
                Graph::of(vertices, pairs.map(|(one, other)| (one - 1, other - 1)))
            }
        })
    }
}

/// Who knows whom.
#[derive(Serialize)]
pub(super) enum Links {
    /// All of so many know each other.
    All(u32),
    These(Graph),
}

impl Links {
    pub(super) fn vertices(&self) -> u32 {
        match self {
            Links::All(vertices) => *vertices,
            Links::These(graph) => graph.vertices(),
        }
    }

    /// The most that anybody knows.
    pub(super) fn degree(&self) -> u32 {
        match self {
            Links::All(vertices) => vertices.saturating_sub(1),
            Links::These(graph) => {
                let all = (0..graph.vertices()).map(|vertex| graph.neighbours(vertex).len() as u32);
                all.max().unwrap_or(0)
            }
        }
    }

    /// Whom a vertex knows, in ascending order.
    pub(super) fn of(&self, vertex: u32) -> impl Iterator<Item = u32> + '_ {
        let (all, these) = match self {
            Links::All(vertices) => (0..*vertices, Default::default()),
            Links::These(graph) => (0..0, graph.neighbours(vertex)),
        };
        all.filter(move |other| *other != vertex).chain(these.iter().copied())
    }

    /// One whom a vertex knows, each as likely as any other; `None`: it knows nobody.
    pub(super) fn drawn(&self, vertex: u32, bits: u64) -> Option<u32> {
        match self {
            Links::All(0 | 1) => None,
            Links::All(vertices) => {
                let (all, vertex) = (u64::from(*vertices), u64::from(vertex));
                Some(((vertex + 1 + below(bits, all - 1)) % all) as u32)
            }
            Links::These(graph) => {
                let known = graph.neighbours(vertex);
                known.get(below(bits, known.len() as u64) as usize).copied()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> [Network; 6] {
        [
            Network::WattsStrogatz { degree: 4, rewiring: 0.2 },
            Network::ErdosRenyi { probability: 0.2 },
            Network::BarabasiAlbert { links: 2 },
            Network::Configuration { degrees: vec![1, 3] },
            Network::Complete,
            Network::Edges { edges: "1 2, 30 2,\n4\t5,5 4\n".into() },
        ]
    }

    #[test]
    fn pairs_are_read_as_they_are_written() {
        assert_eq!(pairs("1 2"), Ok(vec![(1, 2)]));
        assert_eq!(pairs(" 1  2,\n\n3\t4 ,5 5\n"), Ok(vec![(1, 2), (3, 4), (5, 5)]));
        for (text, found) in [
            ("", ""),
            (" , ", " , "),
            ("1", "1"),
            ("1 2, 3", "3"),
            ("1 2 3", "1 2 3"),
            ("0 1", "0 1"),
            ("1 -2", "1 -2"),
            ("1 2, a b", "a b"),
            ("1 4294967296", "1 4294967296"),
        ] {
            assert_eq!(pairs(text), Err(found), "{text:?}");
        }
        let both = Network::Edges { edges: "1 2, 2 1, 3 3, 2 3".into() };
        let links = both.links(4, &mut Sequence::new(1, 1));
        let known: Vec<Vec<u32>> = (0..4).map(|vertex| links.of(vertex).collect()).collect();
        assert_eq!(known, [vec![1], vec![0, 2], vec![1], vec![]], "once each, nobody itself");
    }

    #[test]
    fn each_network_is_named_and_has_its_own_keys() {
        for (network, name) in all().iter().zip(NAMES) {
            let written = table(network);
            assert_eq!(written.get("network").and_then(Value::as_str), Some(*name));
            let keys = keys(network);
            let own = keys.iter().filter(|key| is_of(key, &written));
            let own: Vec<_> = own.map(|key| key.name).collect();
            assert!(written.keys().all(|key| own.contains(&key.as_str())), "{written}");
            assert_eq!(own.len(), written.len());
            for key in keys.iter().filter(|key| is_of(key, &written)) {
                assert_eq!(written.get(key.name), key.default.as_ref(), "{}", key.name);
            }
        }
    }

    #[test]
    fn whom_somebody_knows_is_who_is_drawn() {
        for network in all() {
            let links = network.links(30, &mut Sequence::new(4, 1));
            assert_eq!(links.vertices(), 30);
            let most = (0..30).map(|vertex| links.of(vertex).count()).max().unwrap();
            assert_eq!(links.degree() as usize, most);
            for vertex in 0..30 {
                let known: Vec<u32> = links.of(vertex).collect();
                assert!(!known.contains(&vertex) && known.is_sorted());
                let mut drawn: Vec<u32> =
                    (0..2_000u64).filter_map(|n| links.drawn(vertex, n << 53)).collect();
                drawn.sort_unstable();
                drawn.dedup();
                assert_eq!(drawn, known, "{network:?}");
            }
        }
        assert_eq!(Links::All(1).drawn(0, 5), None);
    }

    #[test]
    fn too_many_edges_are_refused() {
        let many = [
            Network::WattsStrogatz { degree: 1_000, rewiring: 0.2 },
            Network::ErdosRenyi { probability: 0.01 },
            Network::BarabasiAlbert { links: 1_000 },
            Network::Configuration { degrees: vec![1_000; 3] },
        ];
        for network in many {
            assert!(network.agree(1_000_000).is_err(), "{network:?}");
            assert_eq!(network.agree(2_000), Ok(()), "{network:?}");
        }
        assert_eq!(Network::Complete.agree(10_000_000), Ok(()));
        assert!(Network::BarabasiAlbert { links: 5 }.agree(5).is_err());
        assert_eq!(Network::BarabasiAlbert { links: 5 }.agree(6), Ok(()));
        let edges = Network::Edges { edges: "1 2, 7 3".into() };
        assert_eq!(edges.agree(7), Ok(()));
        let words = edges.agree(6).unwrap_err().to_string();
        assert!(words.contains("space.edges is \"7 3\""), "{words}");
    }
}
