//! Trees against known values and a model written straight from the recursive definition.

use proptest::prelude::*;

use super::*;

/// RFC 6962 section 2.1, `MTH`, word for word.
fn model_root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => sha256(b""),
        [leaf] => hash_leaf(leaf),
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            hash_node(&model_root(left), &model_root(right))
        }
    }
}

/// RFC 6962 section 2.1.1, `PATH`, word for word.
fn model_path(leaves: &[Digest], index: usize) -> Vec<Digest> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut path, sibling) = if index < k {
        (model_path(left, index), model_root(right))
    } else {
        (model_path(right, index - k), model_root(left))
    };
    path.push(sibling);
    path
}

/// The largest power of two below `n`.
fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}

fn leaves(n: u64) -> Vec<Digest> {
    (0..n).map(|i| sha256(&i.to_be_bytes())).collect()
}

fn digest(text: &str) -> Digest {
    text.parse().unwrap()
}

/// Computed apart with Python's hashlib over leaves sha256(u64 big-endian i).
#[test]
fn roots_are_the_known_values() {
    let known = [
        (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (1, "aea833068048b82f42271c18e0076a5230cbc7d711c99de16a5917db14a3b044"),
        (2, "839757d78394f8ad59bc4621831d92396f5d3556fe0059846463a32a21dc9e04"),
        (3, "cc23a6e05f95099459e4b62703c223236972a78997b072a65500b30e26bb6ef3"),
        (7, "3bae604504fcab1978311ba9984633ad88b8c104832990123345db6c816b77c8"),
        (8, "4f8510360e29047dc8a13d94eae1a0c1b13b9a9debcb179fea8f696965c9591a"),
        (100, "120a58df203608a2ae22e3eb554734e3e7857a3084362219856ad6d96d646b10"),
    ];
    for (n, text) in known {
        assert_eq!(root(&leaves(n)), digest(text), "{n} leaves");
    }
}

/// Section 2.1.3 of RFC 6962: seven leaves d0..d6 and the paths it writes out.
#[test]
fn paths_are_those_of_the_example_in_rfc_6962() {
    let d = leaves(7);
    let [a, b, c, d_, e, f, j] = core::array::from_fn(|i| hash_leaf(&d[i]));
    let (g, h, i) = (hash_node(&a, &b), hash_node(&c, &d_), hash_node(&e, &f));
    let k = hash_node(&g, &h);
    let l = hash_node(&i, &j);
    assert_eq!(root(&d), hash_node(&k, &l));
    assert_eq!(path(&d, 0).unwrap(), [b, h, l]);
    assert_eq!(path(&d, 3).unwrap(), [c, g, l]);
    assert_eq!(path(&d, 4).unwrap(), [f, j, k]);
    assert_eq!(path(&d, 6).unwrap(), [i, k]);
}

#[test]
fn every_path_of_every_small_tree_verifies_only_where_it_belongs() {
    for n in 1..=33 {
        let leaves = leaves(n);
        let root = root(&leaves);
        for index in 0..n {
            let leaf = &leaves[index as usize];
            let proof = path(&leaves, index).unwrap();
            assert!(verify(&root, leaf, index, n, &proof));
            for other in (0..n + 2).filter(|i| *i != index) {
                assert!(!verify(&root, leaf, other, n, &proof), "{index} of {n} as {other}");
            }
            let longer = [&proof[..], &[root]].concat();
            assert!(!verify(&root, leaf, index, n, &longer));
            if let Some((_, shorter)) = proof.split_last() {
                assert!(!verify(&root, leaf, index, n, shorter));
            }
        }
        assert_eq!(path(&leaves, n), None);
    }
    assert!(!verify(&root(&[]), &Digest::default(), 0, 0, &[]));
}

#[test]
fn padded_blocks_hash_as_sha256_does() {
    let [left, right] = [leaves(2)[0], leaves(2)[1]];
    assert_eq!(hash_leaf(&left), sha256(&[&[0][..], &left.0].concat()));
    assert_eq!(hash_node(&left, &right), sha256(&[&[1][..], &left.0, &right.0].concat()));
}

#[test]
fn an_inner_node_does_not_pass_as_a_leaf() {
    let leaves = leaves(4);
    let node = hash_node(&hash_leaf(&leaves[0]), &hash_leaf(&leaves[1]));
    let uncle = hash_node(&hash_leaf(&leaves[2]), &hash_leaf(&leaves[3]));
    assert!(!verify(&root(&leaves), &node, 0, 2, &[uncle]));
}

#[test]
fn truncated_or_overfull_accumulators_are_refused() {
    let mut tree = Accumulator::default();
    leaves(5).iter().for_each(|leaf| tree.push(leaf));
    let bytes = borsh::to_vec(&tree).unwrap();
    assert_eq!(bytes.len(), 8 + 2 * 32);
    assert!(borsh::from_slice::<Accumulator>(&bytes[..bytes.len() - 1]).is_err());
    assert!(borsh::from_slice::<Accumulator>(&[&bytes[..], &[0; 32]].concat()).is_err());
    let full = [&[0xff; 8][..], &[0; 64 * 32]].concat();
    assert!(borsh::from_slice::<Accumulator>(&full).is_err());
}

proptest! {
    #[test]
    fn root_path_and_accumulator_agree_with_the_model(
        leaves in prop::collection::vec(any::<[u8; 32]>().prop_map(Digest), 1..200),
        at: prop::sample::Index,
        cut: prop::sample::Index,
        flip in 0..256usize,
    ) {
        let index = at.index(leaves.len());
        let root = root(&leaves);
        prop_assert_eq!(root, model_root(&leaves));
        let proof = path(&leaves, index as u64).unwrap();
        prop_assert_eq!(&proof, &model_path(&leaves, index));
        let size = leaves.len() as u64;
        prop_assert!(verify(&root, &leaves[index], index as u64, size, &proof));

        let mut wrong = leaves[index];
        wrong.0[flip / 8] ^= 1 << (flip % 8);
        prop_assert!(!verify(&root, &wrong, index as u64, size, &proof));

        let (head, tail) = leaves.split_at(cut.index(leaves.len() + 1));
        let mut tree = Accumulator::default();
        head.iter().for_each(|leaf| tree.push(leaf));
        prop_assert_eq!(tree.root(), model_root(head));
        let mut tree: Accumulator = borsh::from_slice(&borsh::to_vec(&tree).unwrap()).unwrap();
        tail.iter().for_each(|leaf| tree.push(leaf));
        prop_assert_eq!((tree.root(), tree.size()), (root, size));
    }
}
