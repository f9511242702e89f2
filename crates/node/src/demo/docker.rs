//! The part of the play in which people work with Docker, and the operator with skopeo.

use std::fs;

use tokio::process::Command;

use super::{engine::Engine, layout::Made, operator::Operator, stage::Stage};
use crate::exit::{Attempt as _, Exit, Failure};

/// The repository, beside the one of the other parts.
const REPO: &str = "acme/built";
/// What the publisher's engine calls the image before it is published.
const LOCAL: &str = "built:dev";
/// What every image of this part holds, so that a layer can be altered without changing its length.
const TEXT: &str = "made by docker build\n";

/// Builds, records, attacks and pulls with a real engine; says what cannot be had here instead.
///
/// # Errors
/// When a part of the play cannot be done at all.
pub(super) async fn play(stage: &mut Stage, operator: &Operator) -> Result<(), Failure> {
    stage.say("\nA publisher builds an image with Docker; a user runs Docker too.");
    // In this thread, which is there to the end: the engine dies with the thread that started it.
    let started = match super::installed("docker") {
        true => Engine::start(&stage.dir().join("engine")),
        false => Err("the docker client is not installed".to_owned()),
    };
    match started {
        Ok(engine) => stage.equip(engine),
        Err(why) => {
            stage.not_available("a Docker engine", &why);
            return Ok(());
        }
    }
    let name = format!("{}/{REPO}:v1", operator.host);
    let built = build(stage).await?;
    let from = format!("docker-daemon:{LOCAL}");
    let push = ["image", "push", from.as_str(), "--as", name.as_str()];
    stage.run("push, sign and record what the engine holds", 0, &push).await?;
    forget(stage, LOCAL).await?;
    let pull = ["image", "pull", name.as_str()];
    stage.run("a user pulls it into the engine", 0, &pull).await?;
    if inspect(stage, "docker has exactly the recorded image", 0, &name).await? != built {
        return Err(Failure::new(Exit::Internal, "the engine got another image than was recorded"));
    }
    let held = ["image", "verify", from.as_str(), "--as", name.as_str()];
    docker(stage, "the user gives it a name of their own", &["tag", &name, LOCAL]).await?;
    stage.run("what the engine holds can be verified at any time", 0, &held).await?;
    forget(stage, LOCAL).await?;
    forget(stage, &name).await?;
    if operator.owns_storage() {
        altered(stage, operator, &name).await?;
    }
    moved(stage, &name, &built).await
}

/// The operator moves the tag, with the client many use for that.
async fn moved(stage: &mut Stage, name: &str, built: &str) -> Result<(), Failure> {
    stage.say("\nThe operator moves the tag to another image with skopeo; docker pull takes it.");
    let evil = Made::new("made by somebody else\n");
    let dir = stage.dir().join("elsewhere");
    evil.write(&dir, "app").attempt(Exit::Environment, || "could not write it".to_owned())?;
    let from = format!("oci:{}:app", dir.display());
    let to = format!("docker://{name}");
    let words = ["skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false", &from, &to];
    if !super::installed("skopeo") {
        stage.not_available("skopeo", "it is not installed");
        return Ok(());
    }
    let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    let mut skopeo = Command::new("skopeo");
    skopeo.args(&words[1..]);
    stage.step("the tag leads elsewhere", 0, words, skopeo).await?;
    docker(stage, "docker pull does not notice", &["pull", "--quiet", name]).await?;
    let theirs = inspect(stage, "and has another image now", 0, name).await?;
    if theirs == built {
        return Err(Failure::new(Exit::Internal, "the tag was not moved"));
    }
    let daemon = format!("docker-daemon:{name}");
    stage.run("caught: what the engine holds", 15, &["image", "verify", &daemon]).await?;
    stage.run("caught: what the registry serves", 15, &["image", "verify", name]).await?;
    stage
        .run("a pull through the ledger gets the recorded one", 0, &["image", "pull", name])
        .await?;
    if inspect(stage, "docker has the recorded image again", 0, name).await? != built {
        return Err(Failure::new(Exit::Internal, "the engine got another image than was recorded"));
    }
    Ok(())
}

/// The operator alters a layer; a refused pull leaves nothing in the engine.
async fn altered(stage: &mut Stage, operator: &Operator, name: &str) -> Result<(), Failure> {
    stage.say("\nThe operator alters a layer of it in the registry's storage.");
    let what = "made by docker";
    operator.alter_stored(what, "made by DOCKER")?;
    stage.run("a pull into the engine refuses it", 15, &["image", "pull", name]).await?;
    inspect(stage, "and leaves nothing in the engine", 1, name).await?;
    operator.alter_stored("made by DOCKER", what)?;
    stage.run("the storage is put right again", 0, &["image", "verify", name]).await?;
    Ok(())
}

/// Builds the image with the publisher's engine; its ID there.
async fn build(stage: &mut Stage) -> Result<String, Failure> {
    let context = stage.dir().join("context");
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(&context)?;
        fs::write(context.join("hello.txt"), TEXT)?;
        let file = "FROM scratch\nCOPY hello.txt /hello.txt\nCMD [\"/hello.txt\"]\n";
        fs::write(context.join("Dockerfile"), file)
    };
    write().attempt(Exit::Environment, || format!("could not write {}", context.display()))?;
    let context = context.display().to_string();
    docker(stage, "build an image", &["build", "--quiet", "--tag", LOCAL, &context]).await?;
    inspect(stage, "its ID", 0, LOCAL).await
}

/// Takes a name from the engine, so that what comes back under it was fetched.
async fn forget(stage: &mut Stage, name: &str) -> Result<(), Failure> {
    docker(stage, "the engine forgets it", &["rmi", name]).await.map(drop)
}

/// The ID of what the engine has under a name; `expected` is 1 when there is to be nothing.
async fn inspect(
    stage: &mut Stage,
    title: &str,
    expected: i32,
    name: &str,
) -> Result<String, Failure> {
    let words = ["image", "inspect", "--format", "{{.Id}}", name];
    client(stage, title, expected, &words).await
}

async fn docker(stage: &mut Stage, title: &str, words: &[&str]) -> Result<String, Failure> {
    client(stage, title, 0, words).await
}

/// Runs the docker client, which knows the engine by `DOCKER_HOST`; what it said last.
async fn client(
    stage: &mut Stage,
    title: &str,
    expected: i32,
    words: &[&str],
) -> Result<String, Failure> {
    let mut command = Command::new("docker");
    // BuildKit wants a second program; what it builds is the same.
    command.args(words).env("DOCKER_BUILDKIT", "0");
    let shown = std::iter::once("docker").chain(words.iter().copied()).map(str::to_owned).collect();
    stage.step(title, expected, shown, command).await?;
    Ok(stage.said().to_owned())
}
