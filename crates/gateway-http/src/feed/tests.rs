//! Where a stream starts.

use super::*;

fn from_id(id: &str) -> Result<Start, Problem> {
    let mut headers = HeaderMap::new();
    headers.insert("last-event-id", id.parse().unwrap());
    start(&headers, Some(1), 9)
}

#[test]
fn the_last_id_counts_before_the_query() {
    assert_eq!(from_id("7:3").unwrap(), Start { height: 7, skip: 4 });
    assert_eq!(start(&HeaderMap::new(), Some(4), 9).unwrap(), Start { height: 4, skip: 0 });
    assert_eq!(start(&HeaderMap::new(), Some(10), 9).unwrap(), Start { height: 10, skip: 0 });
    assert_eq!(start(&HeaderMap::new(), None, 9).unwrap(), Start { height: 10, skip: 0 });
    assert!(start(&HeaderMap::new(), Some(11), 9).is_err());
}

#[test]
fn the_id_of_a_lagged_event_leads_to_the_oldest_block() {
    assert_eq!(from_id(&format!("2:{}", u64::MAX)).unwrap(), Start { height: 3, skip: 0 });
    let most = u64::MAX;
    assert_eq!(from_id(&format!("{most}:{most}")).unwrap(), Start { height: most, skip: 0 });
}
