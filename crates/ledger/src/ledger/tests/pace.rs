//! When batches are formed, messages sent and blocks worth proposing.

use super::*;

#[test]
fn commands_signed_in_a_row_are_sent_together() {
    let solo = Solo::new();
    for n in 1..=5u8 {
        solo.ledger.submit(solo.signed(u64::from(n), put(n))).expect("taken");
    }
    let sizes = |solo: &Solo| -> Vec<usize> {
        solo.sent.lock().iter().map(|(_, commands)| commands.len()).collect()
    };
    assert_eq!(sizes(&solo), [1], "the first at once");
    assert_eq!(solo.ledger.gathering().now_or_never(), Some(true));
    solo.ledger.end_gather();
    assert_eq!(sizes(&solo), [1, 4], "those that followed closely together");
    solo.ledger.end_gather();
    assert_eq!(solo.ledger.gathering().now_or_never(), None, "nothing lingers");
    solo.ledger.submit(solo.signed(6, put(6))).expect("taken");
    assert_eq!(sizes(&solo), [1, 4, 1], "at once again");
    assert!(solo.sent.lock().iter().all(|(audience, _)| *audience == Audience::All));
}

#[test]
fn a_session_batch_goes_to_leaders_and_to_all_when_no_block_takes_it() {
    let mut solo = Solo::new();
    solo.ledger.submit_session("acme", "me", put(1)).expect("taken");
    let batch = {
        let sent = solo.sent.lock();
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].0, Audience::Leaders);
        sent[0].1.clone()
    };
    // The blocks of another leader, who has not got it.
    for _ in 0..crate::limits::SESSION_RESEND_BLOCKS {
        assert_eq!(solo.sent.lock().len(), 1);
        let admitted = solo.ledger.inner.lock().pool.remove(&batch[0].id()).expect("waits");
        let block = solo.build();
        solo.ledger.inner.lock().pool.insert(admitted).expect("fits");
        solo.ledger.commit(&block, block.header.digest(), None);
        solo.settle();
    }
    let sent = solo.sent.lock();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[1], (Audience::All, batch));
}

#[test]
fn clients_that_were_answered_together_share_the_next_batch() {
    let mut solo = Solo::new();
    let first: Vec<_> =
        (1..=3).map(|k| solo.ledger.submit_session("acme", "me", put(k)).expect("taken")).collect();
    assert_eq!(solo.sent.lock().len(), 3, "nobody was answered yet: each at once");
    solo.step();
    first.into_iter().map(done).for_each(drop);
    for k in 4..=6 {
        assert_eq!(solo.sent.lock().len(), 3, "waits for the third");
        solo.ledger.submit_session("acme", "me", put(k)).expect("taken");
    }
    assert_eq!(solo.sent.lock().len(), 4);
    // Who does not come back is not waited for when the moment is over.
    solo.step();
    solo.ledger.submit_session("acme", "me", put(7)).expect("taken");
    assert_eq!(solo.ledger.gathering().now_or_never(), Some(true));
    assert_eq!(solo.sent.lock().len(), 4);
    solo.ledger.end_gather();
    assert_eq!(solo.sent.lock().len(), 5);
}

#[test]
fn after_a_large_block_a_leader_waits_for_as_much_or_for_the_pace() {
    let mut solo = Solo::new();
    solo.settle();
    solo.step();
    let many = crate::limits::SMALL_BLOCK_ACTIONS as u64;
    let submit = |solo: &Solo, n: u64| {
        solo.ledger.submit(solo.signed(n, put(n as u8))).expect("taken");
    };
    (1..=many).for_each(|n| submit(&solo, n));
    let large = solo.build();
    let parent = large.header.digest();
    let ready = |solo: &Solo| solo.ledger.enough(parent).now_or_never().is_some();
    (1..many).for_each(|n| submit(&solo, many + n));
    assert!(solo.ledger.work(parent).now_or_never().is_some(), "some wait");
    assert!(!ready(&solo), "fewer than before");
    submit(&solo, 2 * many);
    assert!(!ready(&solo), "the parent is not committed");
    solo.ledger.commit(&large, parent, None);
    assert!(ready(&solo));
}
