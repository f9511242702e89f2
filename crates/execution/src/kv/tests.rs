//! Keys and values against a plain model.

use std::collections::BTreeMap;

use hanse_types::{Action, Status};
use proptest::prelude::*;

use super::*;
use crate::testkit::{Kit, acme};

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8),
    Delete(u8),
    Range(u8, u8),
    Swap { key: u8, expect: u64, value: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1u8..12, any::<u8>()).prop_map(|(k, v)| Step::Put(k, v)),
        (1u8..12).prop_map(Step::Delete),
        (1u8..12, 1u8..12).prop_map(|(a, b)| Step::Range(a, b)),
        (1u8..12, 0u64..4, any::<u8>()).prop_map(|(key, expect, value)| Step::Swap {
            key,
            expect,
            value
        }),
    ]
}

fn action(step: &Step) -> KvAction {
    let space = "acme".to_owned();
    match step {
        Step::Put(k, v) => KvAction::Put { space, key: vec![*k], value: vec![*v] },
        Step::Delete(k) => KvAction::Delete { space, key: vec![*k], range_end: Vec::new() },
        Step::Range(a, b) => KvAction::Delete { space, key: vec![*a], range_end: vec![*b] },
        Step::Swap { key, expect, value } => KvAction::Txn {
            space,
            compares: vec![Compare {
                key: vec![*key],
                op: CompareOp::Equal,
                target: CompareTarget::Version(*expect),
            }],
            success: vec![KvOp::Put { key: vec![*key], value: vec![*value] }],
            failure: vec![KvOp::Delete { key: vec![*key], range_end: Vec::new() }],
        },
    }
}

/// key → (value, create, mod, version)
type Model = BTreeMap<u8, (u8, u64, u64, u64)>;

fn apply(model: &mut Model, step: &Step, revision: u64) -> bool {
    let put = |model: &mut Model, k: u8, v: u8| {
        let (create, version) = model.get(&k).map_or((revision, 0), |e| (e.1, e.3));
        model.insert(k, (v, create, revision, version + 1));
    };
    match step {
        Step::Put(k, v) => {
            put(model, *k, *v);
            true
        }
        Step::Delete(k) => model.remove(k).is_some(),
        Step::Range(a, b) => {
            let before = model.len();
            model.retain(|k, _| !(a <= k && k < b));
            model.len() != before
        }
        Step::Swap { key, expect, value } => {
            if model.get(key).map_or(0, |e| e.3) == *expect {
                put(model, *key, *value);
                true
            } else {
                model.remove(key).is_some()
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn kv_follows_the_model(steps in proptest::collection::vec(step(), 1..60)) {
        let mut kit = Kit::new();
        let mut model = Model::new();
        let mut revision = 1;
        for step in &steps {
            let changed = apply(&mut model, step, revision + 1);
            revision += u64::from(changed);
            let status = kit.act(&acme(), Action::Kv(action(step)));
            prop_assert_eq!(status, if changed { Status::Done } else { Status::Unchanged });
            prop_assert_eq!(kit.world.revision("acme"), revision);
        }
        let (start, end) = state_range("acme", &[1], &[0]);
        let found: Vec<_> = kit.world.range(&start, &end).collect();
        prop_assert_eq!(found.len(), model.len());
        for ((key, entry), (k, (v, create, changed, version))) in found.into_iter().zip(&model) {
            prop_assert_eq!(key, &state_key("acme", &[*k]));
            prop_assert_eq!(&*entry.value, &[*v]);
            prop_assert_eq!((entry.create_revision, entry.mod_revision, entry.version), (*create, *changed, *version));
        }
    }
}

#[test]
fn to_the_end_of_one_space_is_not_into_the_next() {
    let (_, end) = state_range("acme", b"a", &[0]);
    assert!(StateKey::Kv { space: "acme", key: &[255; 40] }.encode() < end);
    assert!(StateKey::Kv { space: "acme-2", key: b"a" }.encode() > end || "acme-2" < "acme");
    assert!(StateKey::Kv { space: "b", key: b"a" }.encode() > end);
}

#[test]
fn transactions_that_touch_a_key_twice_are_refused() {
    let kit = Kit::new();
    let put = |k: u8| KvOp::Put { key: vec![k], value: vec![] };
    let wipe = KvOp::Delete { key: vec![1], range_end: vec![9] };
    for success in [vec![put(1), put(1)], vec![put(2), wipe.clone()], vec![wipe, put(2)]] {
        let txn =
            KvAction::Txn { space: "acme".into(), compares: vec![], success, failure: vec![] };
        assert_eq!(plan(&kit.world, &txn).err(), Some(Refusal::Malformed));
    }
}

#[test]
fn limits_of_keys_values_and_operations_hold_at_the_edge() {
    let kit = Kit::new();
    let space = || "acme".to_owned();
    let put = |key: usize, value: usize| KvAction::Put {
        space: space(),
        key: vec![1; key],
        value: vec![1; value],
    };
    assert!(plan(&kit.world, &put(KEY_BYTES_MAX, VALUE_BYTES_MAX)).is_ok());
    assert_eq!(plan(&kit.world, &put(KEY_BYTES_MAX + 1, 0)).err(), Some(Refusal::Malformed));
    assert_eq!(plan(&kit.world, &put(1, VALUE_BYTES_MAX + 1)).err(), Some(Refusal::Malformed));
    let ops = |n: usize| KvAction::Txn {
        space: space(),
        compares: vec![],
        success: (0..n)
            .map(|i| KvOp::Delete { key: (i as u32 + 1).to_be_bytes().to_vec(), range_end: vec![] })
            .collect(),
        failure: vec![],
    };
    assert!(plan(&kit.world, &ops(TXN_OPS_MAX)).is_ok());
    assert_eq!(plan(&kit.world, &ops(TXN_OPS_MAX + 1)).err(), Some(Refusal::Malformed));
}
