//! Tests of challenges and error answers.

use super::{Challenge, error_message, parse_challenges};
use crate::json::parse_object;

fn parse(headers: &[&str]) -> Option<Challenge> {
    parse_challenges(headers.iter().map(|header| header.as_bytes()))
}

fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
    Some(Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) })
}

#[test]
fn challenges_are_read_as_registries_write_them() {
    let realm = "https://auth.example/token";
    let cases: &[(&[&str], Option<Challenge>)] = &[
        (
            &[r#"Bearer realm="https://auth.example/token",service="r.example""#],
            bearer(realm, Some("r.example")),
        ),
        (
            &[r#"bearer service=r.example , realm="https://auth.example/token""#],
            bearer(realm, Some("r.example")),
        ),
        (
            &[r#"Bearer realm="https://auth.example/token",scope="a,b",error="x""#],
            bearer(realm, None),
        ),
        (&[r#"Bearer realm="a\"b\\c""#], bearer("a\"b\\c", None)),
        (&[r#"Basic realm="x""#], Some(Challenge::Basic)),
        (&["BASIC"], Some(Challenge::Basic)),
        (
            &[r#"Basic realm="x""#, r#"Bearer realm="https://auth.example/token""#],
            bearer(realm, None),
        ),
        (&["Negotiate", "Digest realm=x"], None),
        (&["Bearer"], None),
        (&["Bearer service=\"x\""], None),
        (&["Bearer realm=\"unterminated"], bearer("unterminated", None)),
        (&[""], None),
        (&[], None),
    ];
    for (headers, expected) in cases {
        assert_eq!(&parse(headers), expected, "{headers:?}");
    }
}

#[test]
fn the_first_of_two_realms_counts() {
    assert_eq!(parse(&[r#"Bearer realm="a",realm="b""#]), bearer("a", None));
}

#[test]
fn error_answers_give_their_messages() {
    let message = |text: &str| error_message(&parse_object(text.as_bytes()).unwrap());
    let one = r#"{"errors":[{"code":"DENIED","message":"no"},{"code":"X"}]}"#;
    assert_eq!(message(one).as_deref(), Some("DENIED: no; X"));
    for none in [r#"{"errors":[]}"#, r#"{"errors":1}"#, r#"{"errors":[1]}"#, "{}"] {
        assert_eq!(message(none), None, "{none}");
    }
}
