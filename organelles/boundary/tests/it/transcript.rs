//! The example of `docs/boundary.md`, word for word.

use std::path::Path;

use serde_json::Value;

use crate::support::Node;

#[test]
fn the_example_in_the_documents_is_what_is_said() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/boundary.md");
    let text = std::fs::read_to_string(document).unwrap();
    let node = Node::new();
    let (mut raw, mut asked, mut methods) = (node.raw(), String::new(), 0);
    for line in text.lines() {
        if let Some(request) = line.strip_prefix("> ") {
            request.clone_into(&mut asked);
        } else if let Some(expected) = line.strip_prefix("< ") {
            let expected: Value = serde_json::from_str(expected).unwrap();
            assert_eq!(raw.ask(&asked).unwrap(), expected, "{asked}");
            methods += 1;
        }
    }
    assert!(methods > 8, "it looks in the wrong place");
    // Every method has an example.
    for method in ["initialize", "list", "inspect", "pause", "resume", "kill", "restart", "fork"] {
        assert!(text.contains(&format!("{method}\"")), "{method}");
    }
}
