//! The hour's walk shows the code of a crate that is built and tested.

use std::path::Path;

#[test]
fn the_first_agent_is_the_one_of_the_document() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("../../docs/first-agent.md")).unwrap();
    let blocks: Vec<&str> = page
        .split("```rust\n")
        .skip(1)
        .map(|rest| rest.split_once("```").expect("an end of the block").0)
        .collect();
    let files = ["src/lib.rs", "tests/bank.rs", "src/main.rs"];
    assert_eq!(blocks.len(), files.len() + 1, "and one that shows a test of the test kit");
    for (file, block) in files.iter().zip(&blocks) {
        let kept = std::fs::read_to_string(root.join("first-agent").join(file)).unwrap();
        assert_eq!(kept, *block, "{file} is not as docs/first-agent.md shows it");
    }
    let kept = std::fs::read_to_string(root.join("first-agent/tests/bank.rs")).unwrap();
    assert!(!kept.contains(blocks[3]), "the walk adds it at its end");
    for entry in std::fs::read_dir(root.join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let example = path.display();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.lines().count() <= 100, "{example} is not short");
    }
}

#[test]
fn the_first_colony_is_the_one_of_the_document() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("../../docs/first-colony.md")).unwrap();
    let blocks: Vec<&str> = page
        .split("```rust\n")
        .skip(1)
        .map(|rest| rest.split_once("```").expect("an end of the block").0)
        .collect();
    let files = ["src/lib.rs", "src/main.rs", "tests/colony.rs"];
    assert_eq!(blocks.len(), files.len());
    for (file, block) in files.iter().zip(&blocks) {
        let kept = std::fs::read_to_string(root.join("first-colony").join(file)).unwrap();
        assert_eq!(kept, *block, "{file} is not as docs/first-colony.md shows it");
    }
}
