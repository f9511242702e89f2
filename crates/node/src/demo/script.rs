//! What happens, in order.

use rustix::process::Signal;
use tokio::process::Command;

use super::{
    docker, front::Front, layout::Made, operator::Operator, python_verifier, stage::Stage,
};
use crate::{
    exit::{Attempt as _, Exit, Failure},
    local::process,
};

/// The repository, without its registry.
const REPO: &str = "acme/app";
/// The tag everybody asks for.
const TAG: &str = "stable";

/// The images of the play.
struct Cast {
    one: Made,
    two: Made,
    evil: Made,
}

/// Everything with a network.
///
/// # Errors
/// When a part of the play cannot be done at all.
pub(super) async fn play(stage: &mut Stage, operator: &mut Operator) -> Result<(), Failure> {
    let cast = Cast {
        one: Made::new("version one\n"),
        two: Made::new("version two\n"),
        evil: Made::new("version two, with a back door\n"),
    };
    let write = |made: &Made, name: &str| {
        let dir = stage.dir().join(name);
        let written = made.write(&dir, "app");
        let what = || format!("could not write {}", dir.display());
        written.attempt(Exit::Environment, what).map(|()| format!("oci:{}:app", dir.display()))
    };
    let (one, two) = (write(&cast.one, "one")?, write(&cast.two, "two")?);
    let name = format!("{}/{REPO}:{TAG}", operator.host);
    stage.say("\nA publisher records two releases of an image.");
    stage
        .run(
            "push, sign and record the first release",
            0,
            &["image", "push", &one, "--as", &name, "--claim"],
        )
        .await?;
    stage
        .run("push, sign and record the second release", 0, &["image", "push", &two, "--as", &name])
        .await?;
    let pack = stage.dir().join("app.hproof").display().to_string();
    stage
        .run(
            "anyone verifies it, and keeps the proof",
            0,
            &["image", "verify", &name, "--save-proof", &pack],
        )
        .await?;
    stage.run("its history", 0, &["image", "history", &name]).await?;
    tags(stage, operator, &cast, &name).await?;
    if operator.owns_storage() {
        storage(stage, operator, &cast, &name).await?;
    }
    docker::play(stage, operator).await?;
    two_faces(stage, operator, &cast, &two).await?;
    one_stops(stage, &name).await?;
    taken_back(stage, operator, &cast).await
}

/// The publisher revokes.
async fn taken_back(stage: &mut Stage, operator: &Operator, cast: &Cast) -> Result<(), Failure> {
    stage.say("\nThe publisher takes the first release back.");
    let old = format!("{}/{REPO}@{}", operator.host, cast.one.digest());
    stage
        .run(
            "revoke it for everybody",
            0,
            &["image", "revoke", &old, "--reason", "leaks its key", "--yes"],
        )
        .await?;
    stage.run("whoever still holds it is told", 13, &["image", "verify", &old]).await?;
    Ok(())
}

/// The tag is moved.
async fn tags(
    stage: &mut Stage,
    operator: &Operator,
    cast: &Cast,
    name: &str,
) -> Result<(), Failure> {
    stage.say("\nThe registry's operator moves the tag back to the old release.");
    operator.point(REPO, TAG, &cast.one).await?;
    stage.run("caught: an older release is served", 14, &["image", "verify", name]).await?;
    stage.say("\nThe operator moves it to an image nobody recorded.");
    operator.smuggle(REPO, &cast.evil).await?;
    operator.point(REPO, TAG, &cast.evil).await?;
    stage.run("caught: it was never recorded", 15, &["image", "verify", name]).await?;
    let to = format!("oci:{}:app", stage.dir().join("pulled").display());
    stage
        .run(
            "a pull gets the recorded image all the same",
            0,
            &["image", "pull", name, "--to", &to],
        )
        .await?;
    operator.point(REPO, TAG, &cast.two).await?;
    stage.run("the tag is put right again", 0, &["image", "verify", name]).await?;
    Ok(())
}

/// Bytes in the registry's storage are altered.
async fn storage(
    stage: &mut Stage,
    operator: &Operator,
    cast: &Cast,
    name: &str,
) -> Result<(), Failure> {
    stage.say("\nThe operator alters a layer in the registry's storage.");
    operator.alter(&cast.two.layer, "version two", "version 2!!")?;
    stage.run("caught: a blob is not the recorded one", 15, &["image", "verify", name]).await?;
    let into = stage.dir().join("refused");
    let to = format!("oci:{}:app", into.display());
    stage.run("a pull refuses it", 15, &["image", "pull", name, "--to", &to]).await?;
    if into.exists() {
        return Err(Failure::new(Exit::Internal, "a refused pull left something behind"));
    }
    operator.restore(&cast.two.layer)?;
    stage.say("\nThe operator alters the manifest in the registry's storage.");
    operator.alter(&cast.two.manifest, "\"schemaVersion\":2", "\"schemaVersion\": 2")?;
    stage.run("caught: it has another digest", 15, &["image", "verify", name]).await?;
    let doubled = "\"schemaVersion\":2,\"schemaVersion\":2";
    operator.alter(&cast.two.manifest, "\"schemaVersion\":2", doubled)?;
    stage.run("caught: it is no sound manifest any more", 17, &["image", "verify", name]).await?;
    operator.restore(&cast.two.manifest)?;
    stage.run("the storage is put right again", 0, &["image", "verify", name]).await?;
    Ok(())
}

/// Some clients are told otherwise than others.
async fn two_faces(
    stage: &mut Stage,
    operator: &Operator,
    cast: &Cast,
    two: &str,
) -> Result<(), Failure> {
    stage.say("\nThe operator puts a front before the registry that answers clients differently.");
    let path = |selector: &str| format!("/v2/{REPO}/manifests/{selector} ");
    let front = Front::start(operator.host.clone(), path(TAG), path(&cast.evil.digest())).await?;
    // Known to the registry also where the tag was put right before.
    operator.smuggle(REPO, &cast.evil).await?;
    operator.point(REPO, "hidden", &cast.evil).await?;
    let name = format!("{}/{REPO}:{TAG}", front.host);
    stage
        .run(
            "the image is recorded under the front's name",
            0,
            &["image", "push", two, "--as", &name, "--claim"],
        )
        .await?;
    stage.run("the first client is told the truth", 0, &["image", "verify", &name]).await?;
    front.lie(true);
    stage.run("caught: the second client is not", 15, &["image", "verify", &name]).await?;
    Ok(())
}

/// One of four members ends.
async fn one_stops(stage: &mut Stage, name: &str) -> Result<(), Failure> {
    stage.say("\nOne organisation's member is killed; three go on.");
    let network = stage.network()?;
    if let Some(member) = network.members.last() {
        process::signal(member.pid, Signal::KILL);
    }
    stage.run("writes go on", 0, &["kv", "put", "acme", "demo", "goes on"]).await?;
    stage.run("so do verdicts", 0, &["image", "verify", name]).await?;
    stage.run("everybody can see who is missing", 0, &["status"]).await?;
    Ok(())
}

/// Everything without a network: the registry is switched off already.
///
/// # Errors
/// When a part of the play cannot be done at all.
pub(super) async fn offline(stage: &mut Stage) -> Result<(), Failure> {
    stage.say("\nThe network is cut: no registry, no member.");
    let pack = stage.dir().join("app.hproof").display().to_string();
    let net = stage.dir().join("net");
    let trust = net.join("trust-root.json").display().to_string();
    let two = format!("oci:{}:app", stage.dir().join("two").display());
    let name = recorded_name(stage, &pack)?;
    stage.run("stop the members", 0, &["down", "--dir", &net.display().to_string()]).await?;
    stage.run("online nothing can be decided", 20, &["image", "verify", &name]).await?;
    stage
        .run("the saved proof still holds", 0, &["proof", "verify", &pack, "--trust-root", &trust])
        .await?;
    stage
        .run(
            "and verifies a copy of the image",
            0,
            &["image", "verify", &two, "--as", &name, "--offline", &pack],
        )
        .await?;
    let evil = stage.dir().join("evil");
    Made::new("version two, with a back door\n")
        .write(&evil, "app")
        .attempt(Exit::Environment, || format!("could not write {}", evil.display()))?;
    let evil = format!("oci:{}:app", evil.display());
    stage
        .run(
            "but not another image",
            15,
            &["image", "verify", &evil, "--as", &name, "--offline", &pack],
        )
        .await?;
    match python_verifier() {
        Some(script) => {
            let args = [script.display().to_string(), pack, "--trust-root".to_owned(), trust];
            let mut command = Command::new("python3");
            command.args(&args);
            let shown = std::iter::once("python3".to_owned()).chain(args).collect();
            stage.step("an independent verifier in Python agrees", 0, shown, command).await?;
        }
        None => {
            let why = "tools/verify-py or Python's `cryptography` is not here";
            stage.not_available("the independent verifier", why);
        }
    }
    Ok(())
}

/// The name under which the saved proof's release was recorded.
fn recorded_name(stage: &Stage, pack: &str) -> Result<String, Failure> {
    let bytes = crate::proof::read(std::path::Path::new(pack))?;
    let trust = crate::trust::TrustRoot::load(&stage.network()?.trust_root)?;
    let verified = crate::proof::check(&trust, &bytes)?;
    let hanse_proof::Claim::Image { items } = &verified.claim else {
        return Err(Failure::new(Exit::Internal, "the saved proof is not about an image"));
    };
    let mut tags = items.iter().filter_map(|item| match item {
        hanse_proof::StateProofItem::Value(entry) if entry.record.key.first() == Some(&7) => {
            hanse_types::decode::<hanse_types::Tag>(entry.value.as_deref()?).ok()
        }
        _ => None,
    });
    let tag = tags
        .next_back()
        .ok_or_else(|| Failure::new(Exit::Internal, "the saved proof is not about a tag"))?;
    Ok(format!("{}:{}", tag.repo, tag.tag))
}
