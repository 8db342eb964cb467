//! The story, step by step.

use crate::Options;
use crate::node::{APP_PORT, Node, tools};
use crate::report::Report;
use orlop_api::{GenerationStatus, Phase, Status};
use orlop_machines::ImageServer;
use std::error::Error;
use std::fs;
use std::io;

/// Exit code of a switch whose trial failed.
const WENT_BACK: i32 = 9;

/// Tells it. Nothing of the machine is left running, whatever happens.
pub(crate) fn tell(options: &Options) -> Result<(), Box<dyn Error>> {
    if let Err(error) = fs::remove_dir_all(&options.dir)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error.into());
    }
    fs::create_dir_all(&options.dir)?;
    let mut report = Report::new();
    let told = chapters(options, &mut report);
    report.summary();
    told?;
    if !options.keep {
        fs::remove_dir_all(&options.dir)?;
    }
    println!("\nOne good update kept, two bad ones thrown out, each with its reason on record.");
    Ok(())
}

fn chapters(options: &Options, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let images = [
        ("orlop/os", options.os.as_path()),
        ("demo/app", options.app.as_path()),
    ];
    let server = ImageServer::start(&tools()?, &images)?;
    let access = Node::keys(options)?;
    let toml = |os: &str, app: &str| -> Result<String, Box<dyn Error>> {
        let os = server.reference("orlop/os", os);
        let app = server.reference("demo/app", app);
        Ok(format!(
            "{}\n{}\n{}",
            node_toml(&os, &app),
            server.toml(),
            access.toml()?
        ))
    };
    let first = toml("1", "1")?;
    let node = report.step("make a disk with version 1, power on", || {
        Node::boot(options, access.clone(), &first)
    })?;
    report.step(
        "version 1: firmware, boot loader, kernel, agent; the API answers",
        || node.wait_ready().map(drop),
    )?;
    report.step(
        "version 1: the container answers from outside, the gate passes",
        || {
            node.wait_status("generation 1 good", settled("1"))?;
            node.hello("1")?;
            node.show(&["status"], 0).map(drop)
        },
    )?;
    report.step("version 2: stage", || {
        let os = server.reference("orlop/os", "2");
        node.show(&["update", "stage", &os], 0)?;
        node.show(&["update", "apply", "--dry-run"], 0).map(drop)
    })?;
    report.step("version 2: apply, reboot, gate passes, committed", || {
        // Without the mode it would be a live swap, as version 3 is.
        node.switch(&["update", "apply", "--mode", "reboot"], 0)?;
        expect_version(&node.status()?, "2")?;
        node.hello("1")
    })?;
    let sick = options.dir.join("sick.toml");
    fs::write(&sick, toml("3", "2-sick")?)?;
    report.step(
        "version 3, swapped live: its container never becomes healthy; back to 2 by itself",
        || {
            node.switch(&["config", "apply", &sick.display().to_string()], WENT_BACK)?;
            expect_version(&node.status()?, "2")?;
            expect_words(&node.show(&["why"], 0)?, &["container web"])?;
            node.hello("1")
        },
    )?;
    report.step(
        "version 4: its kernel panics; the boot counter brings 2 back",
        || {
            let os = server.reference("orlop/os", "4");
            node.show(&["update", "stage", &os], 0)?;
            node.switch(&["update", "apply"], WENT_BACK)?;
            expect_version(&node.status()?, "2")?;
            expect_words(&node.show(&["why"], 0)?, &["boot", "tries"])?;
            node.show(&["generations"], 0)?;
            node.hello("1")
        },
    )
}

fn node_toml(os: &str, app: &str) -> String {
    format!(
        r#"schema = 1

[host]
name = "demo"

[os]
image = "{os}"

[gate]
hold = "5s"
deadline = "45s"

[[gate.check]]
container = "web"

[container.web]
image = "{app}"
ports = ["{APP_PORT}:{APP_PORT}"]
health = {{ http = ":{APP_PORT}/healthz", every = "2s" }}
"#
    )
}

/// Whether a node has nothing more to do, and a good generation of this OS version runs.
fn settled(version: &str) -> impl Fn(&Status) -> bool {
    move |status| {
        status.phase == Phase::Idle
            && status.current.as_ref().is_some_and(|current| {
                current.status == GenerationStatus::Good
                    && current.os.version.as_deref() == Some(version)
            })
    }
}

fn expect_version(status: &Status, version: &str) -> Result<(), Box<dyn Error>> {
    let runs = status
        .current
        .as_ref()
        .and_then(|current| current.os.version.as_deref());
    if runs == Some(version) {
        return Ok(());
    }
    Err(format!("expected version {version}, but {runs:?} runs").into())
}

fn expect_words(text: &str, words: &[&str]) -> Result<(), Box<dyn Error>> {
    match words.iter().find(|word| !text.contains(**word)) {
        None => Ok(()),
        Some(missing) => Err(format!("expected {missing:?} in the answer").into()),
    }
}
