//! What kinds of trouble there are.

use std::collections::BTreeMap;

/// Every mode, and what it does. Those with a number take it as `MODE=NUMBER`.
const KNOWN: [(&str, &str); 29] = [
    ("agents", "so many agents; 10000 unless told"),
    ("schedulers", "so many threads run them; 2 unless told"),
    ("idle", "agents that have nothing to do"),
    ("busy", "every agent sends to another in every tick; the usual one"),
    ("work", "so many rounds of arithmetic a step; 2000 unless told"),
    ("ticks", "ends in good order after so many ticks, and says how many a second"),
    ("spin", "one agent's step never returns"),
    ("deadlock", "one agent's step takes a lock that it holds"),
    ("watch", "gives up a scheduler whose step takes so many milliseconds, and goes on"),
    ("fork", "so many descendants that try to get away; half of them spin"),
    ("stuck-log", "the log's disk never answers"),
    ("deaf", "SIGTERM and SIGINT change nothing"),
    ("freeze", "stops itself (SIGSTOP)"),
    ("close", "becomes a program without link and descriptors, which spins"),
    ("exit", "ends with this exit code, without a word"),
    ("flood", "so many threads say that it lives, without end"),
    ("attack", "runs the attacks of attack.py; the number is ignored"),
    ("cpu", "so many processes that spin"),
    ("memory", "uses so many MiB"),
    ("files", "opens so many files"),
    ("processes", "starts so many processes that sleep"),
    ("disk", "writes so many MiB below the data directory"),
    ("ask", "so many questions to the broker"),
    ("task", "so many tasks of an agent's own accord"),
    ("rejection", "so many rejections in sequence"),
    ("admitted", "one admission behind so many rejections, and as many rejections again"),
    ("failure", "so many failures in sequence"),
    ("self-modification", "so many attempts to change what governs"),
    ("crashes", "so many crashes of agents, as counted"),
];

/// What was asked for.
pub(crate) struct Modes(BTreeMap<String, u64>);

impl Modes {
    pub(crate) fn parse(words: &str) -> Modes {
        let one = |word: &str| {
            let (name, value) = word.split_once('=').unwrap_or((word, "1"));
            assert!(
                KNOWN.iter().any(|(known, _)| *known == name),
                "no mode {name:?}; there are: {}",
                KNOWN.map(|(name, what)| format!("\n  {name}: {what}")).concat()
            );
            (name.to_owned(), value.parse().unwrap())
        };
        Modes(words.split(',').map(one).collect())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }
}
