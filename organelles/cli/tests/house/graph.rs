//! The packages of the workspace and everything they reach, as `cargo metadata` tells it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

/// A package, of the workspace or from outside.
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its folder in the workspace, such as `nucleus/log`; `None` for one from outside.
    pub(crate) folder: Option<String>,
    pub(crate) edges: Vec<Edge>,
}

/// A dependency.
pub(crate) struct Edge {
    /// The id of the package at its end.
    pub(crate) to: String,
    /// Whether it is a normal or a build dependency, not only one of tests.
    pub(crate) shipped: bool,
}

/// All packages by their ids.
pub(crate) struct Graph(pub(crate) BTreeMap<String, Package>);

impl Graph {
    /// Reads the JSON of `cargo metadata --format-version 1`.
    pub(crate) fn read(metadata: &Value) -> Result<Graph, String> {
        let root = text(metadata, "workspace_root")?;
        let mut packages = BTreeMap::new();
        for package in list(metadata, "packages")? {
            let folder = match package.get("source") {
                Some(Value::Null) => Some(folder_in(root, text(package, "manifest_path")?)?),
                _ => None,
            };
            let name = text(package, "name")?.to_owned();
            let package_id = text(package, "id")?.to_owned();
            packages.insert(package_id, Package { name, folder, edges: Vec::new() });
        }
        let resolve = metadata.get("resolve").ok_or("no resolve")?;
        for node in list(resolve, "nodes")? {
            let edges = list(node, "deps")?.iter().map(read_edge).collect::<Result<_, _>>()?;
            let package = packages.get_mut(text(node, "id")?).ok_or("a node without a package")?;
            package.edges = edges;
        }
        Ok(Graph(packages))
    }

    /// The packages of the workspace with their folders.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &Package)> {
        self.0.values().filter_map(|package| Some((package.folder.as_deref()?, package)))
    }
}

fn read_edge(dep: &Value) -> Result<Edge, String> {
    let shipped = list(dep, "dep_kinds")?
        .iter()
        .any(|kind| kind.get("kind").is_none_or(|kind| kind.as_str() != Some("dev")));
    Ok(Edge { to: text(dep, "pkg")?.to_owned(), shipped })
}

fn folder_in(root: &str, manifest: &str) -> Result<String, String> {
    let folder = Path::new(manifest).parent().and_then(|folder| folder.strip_prefix(root).ok());
    let folder = folder.ok_or_else(|| format!("{manifest} lies outside the workspace {root}"))?;
    Ok(folder.display().to_string())
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    value.get(key).and_then(Value::as_str).ok_or_else(|| format!("no text {key:?}"))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>, String> {
    value.get(key).and_then(Value::as_array).ok_or_else(|| format!("no list {key:?}"))
}

#[test]
fn metadata_becomes_a_graph() {
    let metadata = serde_json::json!({
        "workspace_root": "/w",
        "packages": [
            { "id": "a 1", "name": "a", "source": null, "manifest_path": "/w/nucleus/a/Cargo.toml" },
            { "id": "b 1", "name": "b", "source": "registry", "manifest_path": "/r/b/Cargo.toml" },
        ],
        "resolve": { "nodes": [
            { "id": "a 1", "deps": [
                { "pkg": "b 1", "dep_kinds": [{ "kind": "dev" }, { "kind": "build" }] },
                { "pkg": "a 1", "dep_kinds": [{ "kind": "dev" }] },
            ] },
            { "id": "b 1", "deps": [{ "pkg": "b 1", "dep_kinds": [{ "kind": null }] }] },
        ] },
    });
    let graph = Graph::read(&metadata).unwrap();
    let shipped = |id: &str| graph.0[id].edges.iter().map(|e| e.shipped).collect::<Vec<_>>();
    assert_eq!(shipped("a 1"), [true, false]);
    assert_eq!(shipped("b 1"), [true]);
    let members: Vec<_> = graph.members().map(|(folder, p)| (folder, p.name.as_str())).collect();
    assert_eq!(members, [("nucleus/a", "a")]);
    assert!(Graph::read(&serde_json::json!({ "workspace_root": "/w" })).is_err());
}
