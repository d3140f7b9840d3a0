//! Finding the Rust files of the house.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::lines;

/// Folders that hold no code of the product.
const NOT_PRODUCT: [&str; 3] = ["tests", "benches", "examples"];

/// Lines of code below `folder`: neither blank nor comment nor test. Zero for a folder that is
/// not there.
pub(crate) fn code_lines(folder: &Path) -> io::Result<usize> {
    if !folder.exists() {
        return Ok(0);
    }
    let (mut counts, mut tests) = (Vec::new(), BTreeSet::new());
    for path in rust_files(folder)? {
        let below = path.strip_prefix(folder).unwrap_or(&path);
        if below.iter().any(|part| NOT_PRODUCT.iter().any(|name| part == *name)) {
            continue;
        }
        let counted = lines::count(&fs::read_to_string(&path)?);
        tests.extend(counted.test_files.iter().flat_map(|module| module.places(&path)));
        counts.push((path, counted.code));
    }
    Ok(counts.iter().filter(|(path, _)| !tests.contains(path)).map(|(_, lines)| lines).sum())
}

/// Every Rust file below `folder`, without hidden folders and `target`.
pub(crate) fn rust_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    files(folder, "rs")
}

/// Every file of an extension below `folder`, without hidden folders and `target`.
pub(crate) fn files(folder: &Path, wanted: &str) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            if entry.file_type()?.is_dir() {
                if name != "target" && !name.as_encoded_bytes().starts_with(b".") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == wanted) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[test]
fn tests_do_not_count_wherever_they_lie() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("a/src/lib.rs", "mod b;\nmod c;\n#[cfg(test)]\nmod lib_tests;\n"),
        ("a/src/lib_tests.rs", "use x;\n"),
        ("a/src/b.rs", "fn b() {}\n#[cfg(test)]\n#[path = \"b_tests.rs\"]\nmod tests;\n"),
        ("a/src/b_tests.rs", "use x;\nuse y;\n"),
        ("a/src/c.rs", "fn c() {}\n#[cfg(test)]\nmod tests;\n"),
        ("a/src/c/tests.rs", "use x;\n"),
        ("a/src/d/mod.rs", "// nothing\n\n/* but\n\nwords */ fn d() {}\n"),
        ("a/tests/it.rs", "fn it() {}\n"),
        ("a/target/made.rs", "fn made() {}\n"),
        ("a/.hidden/x.rs", "fn x() {}\n"),
        ("a/notes.md", "fn no() {}\n"),
    ] {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    assert_eq!(code_lines(dir.path()).unwrap(), 2 + 1 + 1 + 1);
    assert_eq!(code_lines(&dir.path().join("nowhere")).unwrap(), 0);
    // 200 modules too many, in the same folder, are seen.
    fs::write(dir.path().join("a/src/e.rs"), "fn e() {}\n".repeat(200)).unwrap();
    assert_eq!(code_lines(dir.path()).unwrap(), 205);
}
