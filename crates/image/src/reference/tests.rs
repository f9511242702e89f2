//! Tests of image names.

use proptest::prelude::*;

use super::{EngineName, ImageRef, ReferenceError, RegistryName};
use crate::digest::DigestError;

fn hex(length: usize) -> String {
    "0123456789abcdef".chars().cycle().take(length).collect()
}

#[test]
fn defaults_are_written_out() {
    let digest = format!("sha256:{}", hex(64));
    let long = format!("sha512:{}", hex(128));
    let cases: &[(&str, &str)] = &[
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
        ("docker.io/library/nginx:latest", "docker.io/library/nginx:latest"),
        ("acme/app", "docker.io/acme/app:latest"),
        ("library/nginx", "docker.io/library/nginx:latest"),
        ("registry.example/nginx", "registry.example/nginx:latest"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app:v1", "localhost:5000/app:v1"),
        ("app:5000/x", "app:5000/x:latest"),
        ("127.0.0.1:5000/a/b/c:v1", "127.0.0.1:5000/a/b/c:v1"),
        ("[::1]:5000/app", "[::1]:5000/app:latest"),
        ("[2001:0db8:0:0:0:0:0:1]/app", "[2001:db8::1]/app:latest"),
        ("xn--n3h.example/app", "xn--n3h.example/app:latest"),
        ("r.example/a__b-c.d---e:T_a.g-1", "r.example/a__b-c.d---e:T_a.g-1"),
    ];
    for (text, canonical) in cases {
        let name: RegistryName = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(name.to_string(), *canonical, "{text}");
    }
    let both: RegistryName = format!("r.example/app:v1@{digest}").parse().unwrap();
    assert_eq!((both.tag(), both.selector()), (Some("v1"), digest.clone()));
    let only: RegistryName = format!("r.example/app@{long}").parse().unwrap();
    assert_eq!((only.tag(), only.selector()), (None, long));
    assert_eq!(both.tagged().to_string(), "r.example/app:v1");
    assert_eq!(only.tagged().to_string(), "r.example/app:latest");
}

const REFUSED: &str = r"
    :v1 /app app: app@ app:v1:v2 r.example/ r.example//app a..b a.-b -a a- _a a___b a/./b a/../b r.example/a:-v
    r.example/a:.v ä app:ä пример.рф/app аpple.com/app r.example:0/app r.example:00443/app r.example:65536/app
    r.example:/app r.example:+1/app [::1/app [::1]x/app [fe80::1%eth0]/app [::g]/app -r.example/app r-.example/app
    r..example/app .example/app 0x7f.1/app 010.0.0.1/app 127.1/app 1.2.3.4.5/app 256.1.1.1:80/app user@r.example/app
    r.example/app@sha256:abc http://r.example/app https://r.example/app dir:/tmp/x ostree:/x docker:// docker-daemon:
    oci: oci::v1 oci:dir: oci:dir:-v oci-archive: docker-archive: docker-archive:f:UPPER
";

#[test]
fn what_the_grammar_does_not_have_is_refused() {
    let digest = format!("sha256:{}", hex(64));
    let odd = ["", " app", "app ", "app\n", "app:v 1", "app:v1\0", "oci:dir:v 1"];
    for text in odd.into_iter().chain(REFUSED.split_whitespace()) {
        assert!(text.parse::<ImageRef>().is_err(), "{text:?} was accepted");
    }
    let after = format!("app@{digest}:v1").parse::<RegistryName>().unwrap_err();
    assert!(matches!(after, ReferenceError::Digest(DigestError::Length { .. })), "{after:?}");
    let upper = format!("app@{}", digest.to_uppercase().replace("SHA256", "sha256"));
    assert_eq!(
        upper.parse::<RegistryName>().unwrap_err(),
        ReferenceError::Digest(DigestError::Hex)
    );
    let md5 = format!("app@md5:{}", hex(32)).parse::<RegistryName>().unwrap_err();
    assert_eq!(md5, ReferenceError::Digest(DigestError::Algorithm("md5".into())));
}

#[test]
fn upper_case_is_refused_with_a_reason_in_host_and_repository_but_not_in_tags() {
    for text in ["Nginx", "r.example/App", "R.example/app", "LOCALHOST:5000/app"] {
        let error = text.parse::<RegistryName>().unwrap_err();
        assert!(matches!(error, ReferenceError::UpperCase(_)), "{text}: {error:?}");
    }
    assert_eq!("app:V1".parse::<RegistryName>().unwrap().tag(), Some("V1"));
}

#[test]
fn limits_hold_at_their_edges() {
    let tag = |length| format!("app:{}", "t".repeat(length)).parse::<RegistryName>();
    assert!(tag(128).is_ok());
    assert!(matches!(tag(129), Err(ReferenceError::Tag(_))));
    let repo = |length| format!("r.example/{}", "a".repeat(length)).parse::<RegistryName>();
    assert!(repo(255).is_ok());
    assert_eq!(repo(256), Err(ReferenceError::TooLong(256)));
    // The implicit part counts too.
    assert_eq!("a".repeat(248).parse::<RegistryName>(), Err(ReferenceError::TooLong(256)));
    let label = |length| format!("{}.example/a", "h".repeat(length)).parse::<RegistryName>();
    assert!(label(63).is_ok());
    assert!(matches!(label(64), Err(ReferenceError::Host(_))));
    assert!(matches!(hex(64).parse::<RegistryName>(), Err(ReferenceError::LooksLikeId(_))));
    assert!(hex(63).parse::<RegistryName>().is_ok());
}

#[test]
fn transports_are_those_of_skopeo() {
    let id = format!("docker-daemon:sha256:{}", hex(64));
    let cases: &[(&str, &str)] = &[
        ("docker://nginx", "docker://docker.io/library/nginx:latest"),
        ("docker-daemon:app:v1", "docker-daemon:docker.io/library/app:v1"),
        (&id, &id),
        ("containers-storage:localhost/app", "containers-storage:localhost/app:latest"),
        ("oci:/tmp/x", "oci:/tmp/x"),
        ("oci:rel/dir:v1", "oci:rel/dir:v1"),
        ("oci-archive:/tmp/x.tar", "oci-archive:/tmp/x.tar"),
        ("oci-archive:/tmp/x.tar:v1", "oci-archive:/tmp/x.tar:v1"),
        ("docker-archive:x.tar", "docker-archive:x.tar"),
        ("docker-archive:x.tar:app:v1", "docker-archive:x.tar:docker.io/library/app:v1"),
        // A name that is called like a transport needs the transport written out.
        ("docker://oci:v1", "docker://docker.io/library/oci:v1"),
        ("dir:v1", "docker://docker.io/library/dir:v1"),
    ];
    for (text, canonical) in cases {
        let parsed: ImageRef = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(parsed.to_string(), *canonical);
    }
    let parsed: ImageRef = id.parse().unwrap();
    assert!(matches!(parsed, ImageRef::DockerDaemon(EngineName::Id(_))));
}

#[test]
fn hostile_names_are_escaped_in_errors() {
    let error = "app:\x1b[2J".parse::<RegistryName>().unwrap_err().to_string();
    assert!(!error.contains('\x1b'), "{error:?}");
}

proptest! {
    #[test]
    fn canonical_form_is_a_fixed_point(
        host in "(([a-z0-9]{1,5}(-[a-z]{1,3})?\\.){1,3}[a-z]{2,4}|localhost|127\\.0\\.0\\.1|\\[::1\\])(:[1-9][0-9]{0,3})?/",
        path in "[a-z0-9]{1,8}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,8}){0,3}",
        tag in "(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,20})?",
        digest in "(@sha256:[0-9a-f]{64})?",
        with_host in any::<bool>(),
    ) {
        // Without a host, a first component with a dot would be one.
        prop_assume!(with_host || !path.split('/').next().unwrap_or_default().contains('.'));
        let text = format!("{}{path}{tag}{digest}", if with_host { host.as_str() } else { "" });
        let name: RegistryName = text.parse().unwrap();
        let again: RegistryName = name.to_string().parse().unwrap();
        prop_assert_eq!(&again, &name);
        prop_assert_eq!(again.to_string(), name.to_string());
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,80}") {
        crate::fuzz::reference(text.as_bytes());
    }

    #[test]
    fn nearly_names_never_panic(text in "(docker:|docker-daemon:|oci:|docker-archive:)?[a-zA-Z0-9._:/@\\[\\]-]{0,60}") {
        crate::fuzz::reference(text.as_bytes());
    }
}
