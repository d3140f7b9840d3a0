//! The table of invariants: each names code that is there and a test that is there.

use std::fs;
use std::path::Path;

/// A link in a table's cell: what it shows in backticks, and where it leads.
#[derive(Debug, PartialEq, Eq)]
struct Link<'a> {
    name: &'a str,
    path: &'a str,
}

fn links(cell: &str) -> Vec<Link<'_>> {
    let mut found = Vec::new();
    let mut rest = cell;
    while let Some((_, behind)) = rest.split_once("[`") {
        let Some((name, behind)) = behind.split_once("`](") else { break };
        let Some((path, behind)) = behind.split_once(')') else { break };
        found.push(Link { name, path });
        rest = behind;
    }
    found
}

/// The rows of every table in a text whose first cell is a number.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter_map(|line| {
        let line = line.strip_prefix('|')?.strip_suffix('|')?;
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        cells.first()?.parse::<u32>().ok()?;
        Some(cells)
    })
}

/// Whether a Rust file declares something by that name; any other file holds it as a word.
fn declares(text: &str, path: &str, name: &str, is_test: bool) -> bool {
    let name = name.rsplit("::").next().unwrap_or(name);
    if !path.ends_with(".rs") {
        return text.contains(name);
    }
    let keywords: &[&str] = if is_test {
        &["fn"]
    } else {
        &["fn", "struct", "enum", "trait", "mod", "const", "static", "type"]
    };
    let follows = |at: usize| {
        let behind = text.get(at..).and_then(|rest| rest.chars().next());
        !behind.is_some_and(|next| next.is_alphanumeric() || next == '_')
    };
    keywords.iter().any(|keyword| {
        let wanted = format!("{keyword} {name}");
        text.match_indices(&wanted).any(|(at, _)| follows(at + wanted.len()))
    })
}

/// What is wrong with the table of invariants in `document`.
pub(crate) fn faults(root: &Path, document: &str) -> Vec<String> {
    let place = root.join(document);
    let Ok(text) = fs::read_to_string(&place) else { return vec![format!("no {document}")] };
    let mut faults = Vec::new();
    let mut expected = 1;
    for cells in rows(&text) {
        let [number, _, code, tests] = cells.as_slice() else {
            faults.push(format!("{document}: a row has {} cells, not 4", cells.len()));
            expected += 1;
            continue;
        };
        if *number != expected.to_string() {
            faults.push(format!("{document}: invariant {number} stands where {expected} should"));
        }
        expected += 1;
        for (cell, what, is_test) in [(code, "code", false), (tests, "test", true)] {
            let links = links(cell);
            if links.is_empty() {
                faults.push(format!("{document}: invariant {number} names no {what}"));
            }
            for Link { name, path } in links {
                let file = place.parent().unwrap_or(root).join(path);
                match fs::read_to_string(&file) {
                    Err(_) => faults.push(format!("{document}: invariant {number}: no {path}")),
                    Ok(text) if !declares(&text, path, name, is_test) => {
                        faults.push(format!("{document}: invariant {number}: no {name} in {path}"));
                    }
                    Ok(_) => {}
                }
            }
        }
    }
    if expected == 1 {
        faults.push(format!("{document} holds no table of invariants"));
    }
    faults
}

/// The links of a page to files that are not there; those into the web are not looked at.
pub(crate) fn dead_links(page: &Path) -> Vec<String> {
    let Ok(text) = fs::read_to_string(page) else { return vec![format!("no {}", page.display())] };
    let here = page.parent().unwrap_or(page);
    let targets = text.split("](").skip(1).filter_map(|behind| behind.split_once(')'));
    let paths = targets.filter_map(|(target, _)| target.split('#').next());
    let dead = paths.filter(|path| {
        !path.is_empty()
            && !path.contains("://")
            && !path.contains(char::is_whitespace)
            && !here.join(path).exists()
    });
    dead.map(|path| format!("{}: {path} is not there", page.display())).collect()
}

#[test]
fn dead_links_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("page.md");
    fs::write(dir.path().join("there.rs"), "").unwrap();
    let text =
        "[a](there.rs#L1) [`b`](gone.rs) [c](https://x.org/y) [d](#e) f](not a link)\n[g](x/y)";
    fs::write(&page, text).unwrap();
    let found: Vec<_> = dead_links(&page).iter().map(|fault| fault.contains("gone.rs")).collect();
    assert_eq!(found, [true, false]);
}

#[test]
fn what_is_not_there_is_found() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("docs")).unwrap();
    fs::write(
        dir.path().join("code.rs"),
        "impl A {\n    pub fn keeps(&self) {}\n}\nfn shows_it() {}\n",
    )
    .unwrap();
    let check = |rows: &str| {
        let table = format!("| # | what | kept by | shown by |\n|---|---|---|---|\n{rows}");
        fs::write(dir.path().join("docs/invariants.md"), table).unwrap();
        faults(dir.path(), "docs/invariants.md").len()
    };
    let good = "[`A::keeps`](../code.rs) | [`shows_it`](../code.rs)";
    for (rows, expected) in [
        (format!("| 1 | x | {good} |\n"), 0),
        (format!("| 1 | x | {good} |\n| 2 | y | {good} |\n"), 0),
        (format!("| 1 | x | {good} |\n| 3 | y | {good} |\n"), 1),
        (String::new(), 1),
        ("| 1 | x | words | words |\n".into(), 2),
        ("| 1 | x | [`keeps`](../code.rs) | [`shows`](../code.rs) |\n".into(), 1),
        ("| 1 | x | [`keep`](../code.rs) | [`shows_it`](../gone.rs) |\n".into(), 2),
        ("| 1 | x | [`keeps`](../code.rs) |\n".into(), 1),
    ] {
        assert_eq!(check(&rows), expected, "{rows}");
    }
}
