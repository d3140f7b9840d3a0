//! Proofs over the tree of blocks. Source: RFC 6962, sections 2.1.1 and 2.1.2; for checking them
//! RFC 9162, sections 2.1.3.2 and 2.1.4.2.
//!
//! Whoever proves is not trusted: it holds all leaves in memory, 32 bytes a block.

use karyon_types::Hash;
use sha2::{Digest, Sha256};

/// A node of the tree: SHA-256.
pub type Node = [u8; 32];

/// The leaf of a block.
pub fn leaf(block: &Hash) -> Node {
    Sha256::new().chain_update([0]).chain_update(block.0).finalize().into()
}

fn parent(left: &Node, right: &Node) -> Node {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root over leaves; over none, the hash of nothing.
pub fn root(leaves: &[Node]) -> Node {
    match leaves {
        [] => Sha256::digest([]).into(),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(split(many.len()));
            parent(&root(left), &root(right))
        }
    }
}

/// The largest power of two below `len`, which is at least 2.
fn split(len: usize) -> usize {
    len.next_power_of_two() / 2
}

/// The nodes that lead from a leaf to the root, the leaf's sibling first; `None`: no such leaf.
pub fn inclusion(leaves: &[Node], index: usize) -> Option<Vec<Node>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut part, mut at, mut path) = (leaves, index, Vec::new());
    while part.len() > 1 {
        let (left, right) = part.split_at(split(part.len()));
        let (inside, beside) = if at < left.len() { (left, right) } else { (right, left) };
        if at >= left.len() {
            at -= left.len();
        }
        path.push(root(beside));
        part = inside;
    }
    path.reverse();
    Some(path)
}

/// The nodes that show that the tree of the first `old` leaves is the beginning of this one;
/// `None`: there are not so many leaves.
pub fn consistency(leaves: &[Node], old: usize) -> Option<Vec<Node>> {
    if old > leaves.len() {
        return None;
    }
    let (mut part, mut old, mut path, mut known) = (leaves, old, Vec::new(), true);
    if old == 0 || old == part.len() {
        return Some(path);
    }
    while old != part.len() {
        let (left, right) = part.split_at(split(part.len()));
        if old <= left.len() {
            path.push(root(right));
            part = left;
        } else {
            path.push(root(left));
            (part, old, known) = (right, old - left.len(), false);
        }
    }
    if !known {
        path.push(root(part));
    }
    path.reverse();
    Some(path)
}

/// The root of a tree of `size` leaves in which `leaf` stands at `index`; `None`: the path has
/// another length than such a tree's.
pub fn root_of_inclusion(leaf: Node, index: u64, size: u64, path: &[Node]) -> Option<Node> {
    if index >= size {
        return None;
    }
    let (mut place, mut last, mut node) = (index, size - 1, leaf);
    for beside in path {
        if last == 0 {
            return None;
        }
        if place & 1 == 1 || place == last {
            node = parent(beside, &node);
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            node = parent(&node, beside);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    (last == 0).then_some(node)
}

/// Whether a path shows that the tree of `old` leaves is the beginning of the tree of `new`.
pub fn is_consistent(old: (u64, Node), new: (u64, Node), path: &[Node]) -> bool {
    let ((old_size, old_root), (size, wanted)) = (old, new);
    if old_size == 0 || old_size >= size {
        let same = old_size == 0 || (old_size == size && old_root == wanted);
        return same && path.is_empty();
    }
    // A tree that is complete by itself is its own first node.
    let (first, rest) = match path.split_first() {
        _ if old_size.is_power_of_two() => (old_root, path),
        Some((first, rest)) => (*first, rest),
        None => return false,
    };
    let (mut place, mut last) = (old_size - 1, size - 1);
    while place & 1 == 1 {
        (place, last) = (place >> 1, last >> 1);
    }
    let (mut before, mut after) = (first, first);
    for beside in rest {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            (before, after) = (parent(beside, &before), parent(beside, &after));
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            after = parent(&after, beside);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    last == 0 && before == old_root && after == wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use karyon_log::Tree;

    fn leaves(count: u8) -> Vec<Node> {
        (0..count).map(|number| leaf(&Hash([number; 32]))).collect()
    }

    #[test]
    fn the_root_is_the_logs() {
        let mut tree = Tree::default();
        for size in 0..70 {
            assert_eq!(root(&leaves(size)), tree.root(), "{size}");
            tree.push(Hash([size; 32]));
        }
    }

    #[test]
    fn every_proof_holds_and_no_changed_one() {
        for size in 1..34u8 {
            let all = leaves(size);
            let whole = (u64::from(size), root(&all));
            for at in 0..size {
                let path = inclusion(&all, usize::from(at)).unwrap();
                let leads_to = |leaf: Node, at: u64, size: u64, path: &[Node]| {
                    root_of_inclusion(leaf, at, size, path) == Some(whole.1)
                };
                let own = all[usize::from(at)];
                assert!(leads_to(own, at.into(), whole.0, &path), "{at} of {size}");
                assert!(!leads_to(leaf(&Hash([99; 32])), at.into(), whole.0, &path));
                assert!(!leads_to(own, u64::from(at) + 1, whole.0, &path), "{at} of {size}");
                assert!(!leads_to(own, at.into(), whole.0, &[&path[..], &[own]].concat()));
                for node in 0..path.len() {
                    let mut bad = path.clone();
                    bad[node][3] ^= 1;
                    assert!(!leads_to(own, at.into(), whole.0, &bad));
                    assert!(!leads_to(own, at.into(), whole.0, &path[..node]));
                }
            }
            assert_eq!(inclusion(&all, usize::from(size)), None);
            for old in 1..=size {
                let before = (u64::from(old), root(&all[..usize::from(old)]));
                let path = consistency(&all, usize::from(old)).unwrap();
                assert!(is_consistent(before, whole, &path), "{old} in {size}");
                assert!(!is_consistent((before.0, [7; 32]), whole, &path), "{old} in {size}");
                assert!(!is_consistent(before, (whole.0, [7; 32]), &path), "{old} in {size}");
                assert!(!is_consistent(before, whole, &[&path[..], &[whole.1]].concat()));
                for node in 0..path.len() {
                    let mut bad = path.clone();
                    bad[node][3] ^= 1;
                    assert!(!is_consistent(before, whole, &bad), "{old} in {size}");
                    assert!(!is_consistent(before, whole, &path[..node]), "{old} in {size}");
                }
            }
            assert_eq!(consistency(&all, usize::from(size) + 1), None);
        }
    }
}
