//! Events arrive in pieces cut anywhere.

use super::*;

const STREAM: &str = ": hello\n\nid: 3:0\nevent: change\ndata: {\"a\":\ndata: 1}\n\nid: 3\r\nevent: block\r\ndata: {}\r\n\r\n";

#[test]
fn cuts_anywhere_give_the_same_events() {
    let whole = Parser::default().feed(STREAM.as_bytes()).unwrap();
    assert_eq!(whole.len(), 2);
    assert_eq!(whole[0], ServerEvent { kind: "change".into(), data: "{\"a\":\n1}".into() });
    for cut in 0..STREAM.len() {
        let mut parser = Parser::default();
        let mut events = parser.feed(&STREAM.as_bytes()[..cut]).unwrap();
        events.extend(parser.feed(&STREAM.as_bytes()[cut..]).unwrap());
        assert_eq!(events, whole, "cut at {cut}");
    }
}

#[test]
fn an_event_without_end_is_given_up() {
    let mut parser = Parser::default();
    let failure = parser.feed(&vec![b'x'; EVENT_BYTES_MAX + 1]).unwrap_err();
    assert_eq!(failure.exit, Exit::Malformed);
}
