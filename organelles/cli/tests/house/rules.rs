//! The rules as tables, and the functions that find what breaks them.

use std::collections::BTreeSet;

use crate::graph::{Graph, Package};

/// Which areas of the house an area may import from. Tests obey this too,
/// but for [`TESTS_MAY_IMPORT`].
const ARROWS: [(&str, &[&str]); 5] = [
    ("nucleus", &["nucleus"]),
    ("cytoplasm", &["nucleus", "cytoplasm"]),
    ("rhizome", &["nucleus", "rhizome"]),
    ("organelles", &["nucleus", "cytoplasm", "rhizome", "organelles"]),
    ("benches", &["nucleus", "cytoplasm", "rhizome", "organelles", "benches"]),
];

/// Imports against the arrows that tests may have and shipped code may not. A projection is shown
/// right on logs as they are really written; a second writer for its tests would prove less.
const TESTS_MAY_IMPORT: [(&str, &str); 2] =
    [("rhizome/graph", "cytoplasm/log-writer"), ("rhizome/lineage", "cytoplasm/log-writer")];

/// The outside crates that may reach the nucleus, through any number of others.
const NUCLEUS_MAY_REACH: &[&str] = &[
    // blake3 and what builds it
    "arrayvec",
    "blake3",
    "cc",
    "cfg-if",
    "constant_time_eq",
    "cpufeatures",
    "find-msvc-tools",
    // By cc, since zstd is built with more than one core.
    "jobserver",
    "shlex",
    // signatures, SHA-256 for the tree, base64, randomness
    "block-buffer",
    "crypto-common",
    "data-encoding",
    "digest",
    "ed25519-compact",
    "getrandom",
    "hybrid-array",
    "sha2",
    "typenum",
    // control records as MessagePack
    "autocfg",
    // `libm` since tables as Parquet, far outside of the nucleus, ask `num-traits` for it
    "libm",
    "num-traits",
    "rmp",
    "rmp-serde",
    "serde",
    "serde_bytes",
    "serde_core",
    "serde_derive",
    // files ("errno" only where rustix is asked to go through libc)
    "bitflags",
    "errno",
    "libc",
    "linux-raw-sys",
    "rustix",
    // derived code
    "proc-macro2",
    "quote",
    "syn",
    "thiserror",
    "thiserror-impl",
    "unicode-ident",
];

/// The outside crates that may reach the guardian ("errno" and "libc" only where rustix is asked to
/// go through libc).
const GUARDIAN_MAY_REACH: [&str; 6] =
    ["bitflags", "ed25519-compact", "errno", "libc", "linux-raw-sys", "rustix"];

/// Crates that must never reach the nucleus, with the reason to tell whoever adds them.
const NUCLEUS_MUST_NOT_REACH: [(&str, &str); 13] = [
    ("tokio", "the kernel is sync"),
    ("ractor", "actors live in cytoplasm"),
    ("redb", "the graph store lives in rhizome"),
    ("wasmtime", "worlds are organelles"),
    ("axum", "sockets are organelles"),
    ("hyper", "sockets are organelles"),
    ("clap", "the command line is an organelle"),
    ("httparse", "sockets are organelles"),
    ("prometheus-client", "metrics are an organelle"),
    ("tracing", "the kernel tells by its records"),
    ("tracing-subscriber", "the kernel tells by its records"),
    ("serde_json", "the kernel writes one binary form"),
    ("openssl-sys", "one small signature crate is enough"),
];

/// Heavy libraries and the only folders whose packages may ask for them (normal and build
/// dependencies; benches may measure anything).
const OWNERS: [(&str, &str); 9] = [
    ("ractor", "cytoplasm"),
    ("tokio", "cytoplasm"),
    ("redb", "rhizome"),
    ("wasmtime", "organelles/worlds"),
    ("axum", "organelles/daemon"),
    ("clap", "organelles/cli"),
    ("httparse", "organelles/metrics"),
    ("prometheus-client", "organelles/metrics"),
    ("tracing-subscriber", "organelles/cli"),
];

/// Imports that run the wrong way, and packages that lie in no area.
pub(crate) fn wrong_arrows(graph: &Graph) -> Vec<String> {
    let mut faults = Vec::new();
    for (folder, package) in graph.members() {
        let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == area(folder)) else {
            faults.push(format!("{} lies in {folder:?}, which is no area", package.name));
            continue;
        };
        for edge in &package.edges {
            let Some(to) = graph.0.get(&edge.to) else { continue };
            let Some(import) = to.folder.as_deref() else { continue };
            let of_tests = !edge.shipped && TESTS_MAY_IMPORT.contains(&(folder, import));
            if !allowed.contains(&area(import)) && !of_tests {
                faults.push(format!(
                    "{} must not import {}: {} may import from {} only",
                    package.name,
                    to.name,
                    area(folder),
                    allowed.join(", ")
                ));
            }
        }
    }
    faults
}

/// Outside crates that reach the nucleus without being on its list, with the way they took.
pub(crate) fn strangers_in_nucleus(graph: &Graph) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    let mut ways: Vec<(&Package, String)> = graph
        .members()
        .filter(|(folder, _)| area(folder) == "nucleus")
        .map(|(_, package)| (package, package.name.clone()))
        .collect();
    while let Some((package, way)) = ways.pop() {
        for edge in package.edges.iter().filter(|edge| edge.shipped) {
            let Some(to) = graph.0.get(&edge.to).filter(|_| seen.insert(&edge.to)) else {
                continue;
            };
            let way = format!("{way} -> {}", to.name);
            let forbidden = NUCLEUS_MUST_NOT_REACH.iter().find(|(name, _)| *name == to.name);
            if let Some((_, why)) = forbidden {
                faults.push(format!("{way}: must not reach the nucleus ({why})"));
            } else if to.folder.is_none() && !NUCLEUS_MAY_REACH.contains(&to.name.as_str()) {
                faults.push(format!("{way}: not on the list of crates that may reach the nucleus"));
            }
            ways.push((to, way));
        }
    }
    faults
}

/// The outside crates that reach the package in this folder, sorted.
pub(crate) fn outside_of(graph: &Graph, folder: &str) -> Vec<String> {
    let mut ways: Vec<&Package> =
        graph.members().filter(|(found, _)| *found == folder).map(|(_, package)| package).collect();
    let (mut seen, mut outside) = (BTreeSet::new(), BTreeSet::new());
    while let Some(package) = ways.pop() {
        for edge in package.edges.iter().filter(|edge| edge.shipped) {
            let Some(to) = graph.0.get(&edge.to).filter(|_| seen.insert(&edge.to)) else {
                continue;
            };
            if to.folder.is_none() {
                outside.insert(to.name.clone());
            }
            ways.push(to);
        }
    }
    outside.into_iter().collect()
}

/// Those that may not.
pub(crate) fn strangers_in_guardian(reached: &[String]) -> Vec<String> {
    let strangers = reached.iter().filter(|name| !GUARDIAN_MAY_REACH.contains(&name.as_str()));
    strangers.map(|name| format!("{name} must not reach the guardian")).collect()
}

/// Heavy libraries asked for outside their owner's folder.
pub(crate) fn wrong_owners(graph: &Graph) -> Vec<String> {
    let mut faults = Vec::new();
    for (folder, package) in graph.members().filter(|(folder, _)| area(folder) != "benches") {
        let shipped = package.edges.iter().filter(|edge| edge.shipped);
        for to in shipped.filter_map(|edge| graph.0.get(&edge.to)) {
            let owner = OWNERS.iter().find(|(name, _)| *name == to.name).map(|(_, owner)| *owner);
            if let Some(owner) = owner.filter(|owner| !lies_in(folder, owner)) {
                let name = &package.name;
                faults.push(format!("{name} must not ask for {}: its owner is {owner}", to.name));
            }
        }
    }
    faults
}

/// What to say when something has grown past its limit.
pub(crate) fn over_limit(what: &str, lines: usize, limit: usize) -> Option<String> {
    (lines > limit).then(|| format!("{what} has {lines} lines, {} too many", lines - limit))
}

/// The first part of a folder: the area of the house.
fn area(folder: &str) -> &str {
    folder.split('/').next().unwrap_or(folder)
}

fn lies_in(folder: &str, owner: &str) -> bool {
    folder.strip_prefix(owner).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Edge;

    const SHIPPED: bool = true;
    const DEV: bool = false;

    /// A graph of packages, named by their folders or, from outside, by `:name`.
    fn graph(edges: &[(&str, &str, bool)]) -> Graph {
        let mut graph = Graph(Default::default());
        for (from, to, shipped) in edges {
            for name in [from, to] {
                graph.0.entry((*name).to_owned()).or_insert_with(|| Package {
                    name: name.trim_start_matches(':').to_owned(),
                    folder: (!name.starts_with(':')).then(|| (*name).to_owned()),
                    edges: Vec::new(),
                });
            }
            let edge = Edge { to: (*to).to_owned(), shipped: *shipped };
            graph.0.get_mut(*from).unwrap().edges.push(edge);
        }
        graph
    }

    #[test]
    fn arrows() {
        for (from, to, allowed) in [
            ("nucleus/log", "nucleus/types", true),
            ("nucleus/log", "cytoplasm/runtime", false),
            ("nucleus/log", "rhizome/ops", false),
            ("nucleus/log", "organelles/cli", false),
            ("nucleus/log", "benches", false),
            ("cytoplasm/runtime", "nucleus/log", true),
            ("cytoplasm/runtime", "cytoplasm/other", true),
            ("cytoplasm/runtime", "rhizome/store", false),
            ("cytoplasm/runtime", "rhizome/ops", false),
            ("cytoplasm/runtime", "organelles/cli", false),
            ("rhizome/store", "rhizome/ops", true),
            ("rhizome/store", "nucleus/log", true),
            ("rhizome/store", "cytoplasm/runtime", false),
            ("organelles/cli", "organelles/colony", true),
            ("organelles/cli", "rhizome/ops", true),
            ("organelles/cli", "cytoplasm/runtime", true),
            ("organelles/cli", "benches", false),
            ("benches", "organelles/colony", true),
            ("nucleus/log", ":tokio", true),
            ("vacuole/x", "nucleus/log", false),
            ("nucleus/log", "vacuole", false),
        ] {
            for kind in [SHIPPED, DEV] {
                let faults = wrong_arrows(&graph(&[(from, to, kind)]));
                assert_eq!(faults.is_empty(), allowed, "{from} -> {to}: {faults:?}");
            }
        }
    }

    #[test]
    fn only_tests_of_projections_import_the_log_writer() {
        for (from, to, kind, allowed) in [
            ("rhizome/graph", "cytoplasm/log-writer", DEV, true),
            ("rhizome/lineage", "cytoplasm/log-writer", DEV, true),
            ("rhizome/graph", "cytoplasm/log-writer", SHIPPED, false),
            ("rhizome/lineage", "cytoplasm/log-writer", SHIPPED, false),
            ("rhizome/engram", "cytoplasm/log-writer", DEV, false),
            ("rhizome/graph", "cytoplasm/runtime", DEV, false),
            ("nucleus/log", "cytoplasm/log-writer", DEV, false),
        ] {
            let faults = wrong_arrows(&graph(&[(from, to, kind)]));
            assert_eq!(faults.is_empty(), allowed, "{from} -> {to}: {faults:?}");
        }
    }

    #[test]
    fn forbidden_and_unknown_crates_are_seen_however_deep() {
        for (edges, faults) in [
            (&[("nucleus/log", ":sha2", SHIPPED)][..], &[][..]),
            (&[("nucleus/log", ":proptest", DEV)], &[]),
            (&[("cytoplasm/runtime", ":tokio", SHIPPED)], &[]),
            (
                &[("nucleus/log", ":tokio", SHIPPED)],
                &["nucleus/log -> tokio: must not reach the nucleus (the kernel is sync)"],
            ),
            (
                &[("nucleus/log", ":sha2", SHIPPED), (":sha2", ":left-pad", SHIPPED)],
                &[
                    "nucleus/log -> sha2 -> left-pad: not on the list of crates that may reach the nucleus",
                ],
            ),
            (
                &[
                    ("nucleus/log", "nucleus/types", SHIPPED),
                    ("nucleus/types", ":sha2", SHIPPED),
                    (":sha2", ":sha2", SHIPPED),
                    (":sha2", ":proptest", DEV),
                    (":sha2", ":redb", SHIPPED),
                ],
                &[
                    "nucleus/types -> sha2 -> redb: must not reach the nucleus (the graph store lives in rhizome)",
                ],
            ),
        ] {
            assert_eq!(strangers_in_nucleus(&graph(edges)), faults);
        }
    }

    #[test]
    fn what_reaches_the_guardian_is_listed_and_judged() {
        let graph = graph(&[
            ("nucleus/guardian", "nucleus/safety", SHIPPED),
            ("nucleus/guardian", ":proptest", DEV),
            ("nucleus/safety", ":rustix", SHIPPED),
            (":rustix", ":serde", SHIPPED),
            ("nucleus/log", ":sha2", SHIPPED),
        ]);
        let reached = outside_of(&graph, "nucleus/guardian");
        assert_eq!(reached, ["rustix", "serde"]);
        assert_eq!(strangers_in_guardian(&reached), ["serde must not reach the guardian"]);
    }

    #[test]
    fn a_forbidden_crate_is_never_on_the_list() {
        for (name, _) in NUCLEUS_MUST_NOT_REACH {
            assert!(!NUCLEUS_MAY_REACH.contains(&name), "{name}");
        }
        for (name, _) in OWNERS {
            assert!(NUCLEUS_MUST_NOT_REACH.iter().any(|(forbidden, _)| *forbidden == name));
        }
    }

    #[test]
    fn owners() {
        for (from, to, kind, allowed) in [
            ("cytoplasm/runtime", ":ractor", SHIPPED, true),
            ("organelles/colony", ":ractor", SHIPPED, false),
            ("organelles/colony", ":tokio", DEV, true),
            ("organelles/cli", ":clap", SHIPPED, true),
            ("organelles/client", ":clap", SHIPPED, false),
            ("organelles/colony", ":clap", SHIPPED, false),
            ("cytoplasm/runtime", ":redb", SHIPPED, false),
            ("rhizome/store", ":redb", SHIPPED, true),
            ("organelles/cli", ":wasmtime", SHIPPED, false),
            ("organelles/worlds", ":wasmtime", SHIPPED, true),
            ("organelles/cli", ":axum", SHIPPED, false),
            ("benches", ":ractor", SHIPPED, true),
        ] {
            let faults = wrong_owners(&graph(&[(from, to, kind)]));
            assert_eq!(faults.is_empty(), allowed, "{from} -> {to}: {faults:?}");
        }
    }

    #[test]
    fn an_oversize_is_seen() {
        assert_eq!(over_limit("nucleus", 5_000, 5_000), None);
        let fault = over_limit("nucleus", 5_001, 5_000);
        assert_eq!(fault.as_deref(), Some("nucleus has 5001 lines, 1 too many"));
    }
}
