//! A token server whose tokens Debian's docker-registry accepts (distribution's `docs/spec/auth/jwt.md`).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose};
use serde_json::{Value, json};

use super::http::{Answer, Seen, Server};

/// Who the tokens are from, and whom they are for.
const ISSUER: &str = "hanse-test";
const SERVICE: &str = "hanse-registry";
/// Seconds a token is good for.
const VALID_S: u64 = 300;

/// How tokens are signed.
#[derive(Clone, Copy)]
pub(crate) enum Algorithm {
    Rs256,
    Es256,
}

/// Signs tokens; its certificate is what the registry trusts.
#[derive(Clone)]
struct Signer {
    algorithm: Algorithm,
    key: PathBuf,
    certificate: PathBuf,
}

/// Runs openssl, which must succeed.
pub(crate) fn openssl(args: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

impl Signer {
    fn new(dir: &Path, algorithm: Algorithm) -> Self {
        fs::create_dir_all(dir).unwrap();
        let (key, certificate) = (dir.join("token.key"), dir.join("token.pem"));
        let kind: &[&str] = match algorithm {
            Algorithm::Rs256 => &["rsa:2048"],
            Algorithm::Es256 => &["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
        };
        let (key_text, pem) = (key.display().to_string(), certificate.display().to_string());
        let mut args = vec!["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=tokens"];
        args.push("-newkey");
        args.extend(kind);
        args.extend(["-keyout", &key_text, "-out", &pem]);
        openssl(&args);
        Self { algorithm, key, certificate }
    }

    fn token(&self, user: &str, access: &[Value]) -> String {
        let url = |bytes: &[u8]| general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        let pem = fs::read_to_string(&self.certificate).unwrap();
        let der: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
        let alg = match self.algorithm {
            Algorithm::Rs256 => "RS256",
            Algorithm::Es256 => "ES256",
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let header = json!({ "typ": "JWT", "alg": alg, "x5c": [der] });
        let claims = json!({
            "iss": ISSUER, "sub": user, "aud": SERVICE, "exp": now + VALID_S, "nbf": now - 10,
            "iat": now, "jti": format!("{now}"), "access": access,
        });
        let (header, claims) = (header.to_string(), claims.to_string());
        let signed = format!("{}.{}", url(header.as_bytes()), url(claims.as_bytes()));
        format!("{signed}.{}", url(&self.sign(signed.as_bytes())))
    }

    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let input = tempfile::NamedTempFile::new().unwrap();
        fs::write(input.path(), bytes).unwrap();
        let key = self.key.display().to_string();
        let path = input.path().display().to_string();
        let signature = openssl(&["dgst", "-sha256", "-sign", &key, &path]);
        match self.algorithm {
            Algorithm::Rs256 => signature,
            Algorithm::Es256 => fixed(&signature),
        }
    }
}

/// r and s with 32 bytes each, from DER's `SEQUENCE { INTEGER r, INTEGER s }` (RFC 7518 section 3.4).
fn fixed(der: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = &der[2..];
    for _ in 0..2 {
        let (number, after) = rest[2..].split_at(usize::from(rest[1]));
        let digits = &number[number.len().saturating_sub(32)..];
        out.extend(std::iter::repeat_n(0, 32 - digits.len()));
        out.extend_from_slice(digits);
        rest = after;
    }
    out
}

/// A running token server.
pub(crate) struct Tokens {
    pub(crate) server: Server,
    certificate: PathBuf,
}

impl Tokens {
    /// `hanse:secret` may pull and push; `reader:secret` and nobody may pull below `acme/public`, as may a reader elsewhere;
    /// anybody else gets nothing.
    pub(crate) fn start(dir: &Path, algorithm: Algorithm) -> Self {
        let signer = Signer::new(dir, algorithm);
        let certificate = signer.certificate.clone();
        Self { server: Server::start(move |seen| answer(&signer, seen)), certificate }
    }

    /// What makes docker-registry send its clients here.
    pub(crate) fn auth(&self) -> Value {
        json!({ "token": {
            "realm": format!("http://{}/token", self.server.address), "service": SERVICE,
            "issuer": ISSUER, "rootcertbundle": self.certificate,
        } })
    }
}

fn answer(signer: &Signer, seen: &Seen) -> Answer {
    let say = |status, body: Value| {
        Answer::Say(status, vec![("Content-Type", "application/json".to_owned())], body.to_string())
    };
    let basic = |text: &str| format!("Basic {}", general_purpose::STANDARD.encode(text));
    let offered = seen.header("authorization").map(str::to_owned);
    let user = match offered {
        None => "",
        Some(offered) if offered == basic("hanse:secret") => "hanse",
        Some(offered) if offered == basic("reader:secret") => "reader",
        Some(_) => return say("401 Unauthorized", json!({ "details": "wrong password" })),
    };
    if seen.query("service") != [SERVICE] {
        return say("400 Bad Request", json!({ "details": "another service" }));
    }
    let access: Vec<Value> = seen.query("scope").iter().map(|scope| grant(user, scope)).collect();
    say("200 OK", json!({ "token": signer.token(user, &access) }))
}

/// What of `repository:NAME:ACTIONS` the user gets.
fn grant(user: &str, scope: &str) -> Value {
    let (kind, rest) = scope.split_once(':').unwrap();
    let (name, actions) = rest.rsplit_once(':').unwrap();
    let may = |action: &str| match user {
        "hanse" => true,
        "reader" => action == "pull",
        _ => action == "pull" && name.starts_with("acme/public"),
    };
    let actions: Vec<&str> = actions.split(',').filter(|action| may(action)).collect();
    json!({ "type": kind, "name": name, "actions": actions })
}
