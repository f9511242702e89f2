//! Random councils against a model in sets: who sits, who waits, which keys are used, and what each motion has.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const EPOCH: u64 = 8;

#[derive(Clone, Copy, Debug)]
enum Step {
    Add { by: u8, who: u8, key: u8 },
    Remove { by: u8, who: u8 },
    Rotate { by: u8, who: u8, key: u8 },
    Approve { by: u8, motion: usize },
    Withdraw { by: u8, motion: usize },
    Ready { key: u8 },
    Idle { blocks: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    // Few names and keys, so that they meet.
    let (org, key, motion) = (0u8..10, 0u8..24, 0usize..6);
    prop_oneof![
        2 => (org.clone(), org.clone(), key.clone()).prop_map(|(by, who, key)| Step::Add { by, who, key }),
        2 => (org.clone(), org.clone()).prop_map(|(by, who)| Step::Remove { by, who }),
        1 => (org.clone(), org.clone(), key.clone()).prop_map(|(by, who, key)| Step::Rotate { by, who, key }),
        10 => (org.clone(), motion.clone()).prop_map(|(by, motion)| Step::Approve { by, motion }),
        1 => (org, motion).prop_map(|(by, motion)| Step::Withdraw { by, motion }),
        4 => key.prop_map(|key| Step::Ready { key }),
        1 => (1u8..10).prop_map(|blocks| Step::Idle { blocks }),
    ]
}

#[derive(Clone, Copy, Debug)]
enum Wish {
    Add(u8, u8),
    Remove(u8),
    Rotate(u8, u8),
}

struct Model {
    /// Organisation → key and the first epoch it can vote in.
    seats: BTreeMap<u8, (u8, u64)>,
    waiting: BTreeMap<u8, u8>,
    /// Organisation → the first epoch it no longer votes in.
    left: BTreeMap<u8, u64>,
    used: BTreeSet<u8>,
    known: BTreeSet<u8>,
    motions: Vec<(Digest, u8, Wish, BTreeSet<u8>, bool)>,
}

impl Model {
    fn new(n: u8) -> Self {
        Self {
            seats: (0..n).map(|i| (i, (i, 0))).collect(),
            waiting: BTreeMap::new(),
            left: BTreeMap::new(),
            used: (0..n).collect(),
            known: (0..n).collect(),
            motions: Vec::new(),
        }
    }

    /// First epoch a change in block `height` can reach: the header after it names that epoch's committee.
    fn reach(height: u64) -> u64 {
        (height + 1) / EPOCH + 1
    }

    fn moved(&self, who: u8, height: u64) -> bool {
        let reach = Self::reach(height);
        self.seats.get(&who).is_some_and(|(_, since)| *since >= reach)
            || self.left.get(&who).is_some_and(|until| *until >= reach)
    }

    fn allows(&self, wish: Wish, height: u64) -> bool {
        match wish {
            Wish::Add(who, key) => {
                !self.seats.contains_key(&who)
                    && !self.waiting.contains_key(&who)
                    && !self.moved(who, height)
                    && !self.used.contains(&key)
            }
            Wish::Remove(who) if self.waiting.contains_key(&who) => true,
            Wish::Remove(who) => {
                let n = self.seats.len();
                let enough = n > 4 || (n < 4 && n > 1);
                self.seats.contains_key(&who) && !self.moved(who, height) && enough
            }
            Wish::Rotate(who, key) => {
                self.seats.contains_key(&who)
                    && !self.moved(who, height)
                    && !self.used.contains(&key)
            }
        }
    }

    /// Two thirds, rounded up; all, where 4, 7 or 10 would become fewer.
    fn has_votes(&self, wish: Wish, votes: &BTreeSet<u8>) -> bool {
        let n = self.seats.len();
        let good = votes.iter().filter(|v| self.seats.contains_key(v)).count();
        let falls = matches!(wish, Wish::Remove(who) if self.seats.contains_key(&who))
            && n > 1
            && (n - 1).is_multiple_of(3);
        if falls { good == n } else { good * 3 >= n * 2 }
    }

    fn settle(&mut self, at: usize, height: u64) {
        let (_, _, wish, votes, _) = self.motions[at].clone();
        if !self.has_votes(wish, &votes) {
            return;
        }
        self.motions[at].4 = false;
        if !self.allows(wish, height) {
            return;
        }
        match wish {
            Wish::Add(who, key) => {
                self.waiting.insert(who, key);
                self.used.insert(key);
                self.known.insert(who);
            }
            Wish::Remove(who) => {
                self.waiting.remove(&who);
                if self.seats.remove(&who).is_some() {
                    self.left.insert(who, Self::reach(height));
                }
            }
            Wish::Rotate(who, key) => {
                self.used.insert(key);
                self.seats.insert(who, (key, Self::reach(height)));
            }
        }
    }

    fn propose(&mut self, by: u8, wish: Wish, id: Digest, height: u64) -> bool {
        let open = self.motions.iter().filter(|m| m.1 == by && m.4).count();
        let good = self.seats.contains_key(&by) && self.allows(wish, height) && open < 8;
        if good {
            self.motions.push((id, by, wish, BTreeSet::from([by]), true));
            self.settle(self.motions.len() - 1, height);
        }
        good
    }

    fn approve(&mut self, by: u8, at: usize, height: u64) -> bool {
        let Some((_, _, wish, votes, open)) = self.motions.get(at).cloned() else {
            return false;
        };
        let again = votes.contains(&by);
        if !self.seats.contains_key(&by) || !open || (again && !self.has_votes(wish, &votes)) {
            return false;
        }
        self.motions[at].3.insert(by);
        self.settle(at, height);
        true
    }

    fn ready(&mut self, key: u8, height: u64) -> bool {
        let Some(who) = self.waiting.iter().find(|(_, k)| **k == key).map(|(who, _)| *who) else {
            return false;
        };
        self.waiting.remove(&who);
        self.left.remove(&who);
        self.seats.insert(who, (key, Self::reach(height)));
        true
    }
}

/// Does the step in both; returns whether the council did it and whether the model would.
fn take(council: &mut Council, model: &mut Model, step: Step) -> (bool, bool) {
    let height = council.kit.height + 1;
    let id_of = |model: &Model, at: usize| model.motions.get(at).map_or(Digest([1; 32]), |m| m.0);
    let done = |by: u8, wish, change, council: &mut Council, model: &mut Model| {
        let found = council.propose(by, change).is_ok();
        (found, model.propose(by, wish, council.last, height))
    };
    match step {
        Step::Add { by, who, key } => {
            let change = council.addition(who, key);
            done(by, Wish::Add(who, key), change, council, model)
        }
        Step::Remove { by, who } => done(by, Wish::Remove(who), remove(who), council, model),
        Step::Rotate { by, who, key } => {
            let change = council.rotation(who, key);
            done(by, Wish::Rotate(who, key), change, council, model)
        }
        Step::Approve { by, motion } => {
            let found = council.approve(by, id_of(model, motion)).is_ok();
            (found, model.approve(by, motion, height))
        }
        Step::Withdraw { by, motion } => {
            let id = id_of(model, motion);
            let found = council.act(by, MembershipAction::Withdraw { motion: id }).is_ok();
            let own = model.motions.get_mut(motion).filter(|m| m.1 == by && m.4);
            let would = own.map(|m| m.4 = false).is_some();
            (found, would)
        }
        Step::Ready { key } => (council.ready(key).is_ok(), model.ready(key, height)),
        Step::Idle { blocks } => {
            council.idle_to(height - 1 + u64::from(blocks));
            (true, true)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn councils_follow_the_model(n in 1u8..9, steps in proptest::collection::vec(step(), 1..70)) {
        let mut council = Council::new(n, EPOCH);
        let mut model = Model::new(n);
        for step in steps {
            let before = model.seats.len();
            let (found, would) = take(&mut council, &mut model, step);
            prop_assert_eq!(found, would, "{:?} at {}", step, council.kit.height);
            let seats = council.seats();
            let sitting: BTreeMap<String, ([u8; 32], u64)> = seats
                .members
                .iter()
                .map(|s| (s.organisation.clone(), (s.consensus, s.since_epoch)))
                .collect();
            let want = model.seats.iter();
            let want = want.map(|(i, (key, since))| (name(*i), (raw(&voter(*key)), *since))).collect();
            prop_assert_eq!(&sitting, &want);
            let waiting: BTreeSet<String> =
                seats.applicants.iter().map(|a| a.organisation.clone()).collect();
            prop_assert_eq!(waiting, model.waiting.keys().map(|i| name(*i)).collect());
            // What must hold whatever happens.
            prop_assert_eq!(sitting.len(), seats.members.len(), "one seat each");
            prop_assert!(before < 4 || sitting.len() >= 4);
            prop_assert!(!sitting.is_empty());
        }
    }
}
