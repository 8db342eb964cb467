//! Orlop: containers come and go by the node's TOML; `orlop` starts and stops them.

use super::engine::{Engine, Pull, name, ran, seconds};
use super::processes::{named, proportional_mib};
use crate::Outcome;
use crate::answer::until;
use hyper::Method;
use orlop_api::{Answer, ContainerView, GenerationStatus, Job, JobId, JobState, Phase, Status};
use orlop_machines::http::ask_unix;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Instant;

const SOCKET: &str = "/run/orlop/api.sock";
/// Control groups of what Orlop keeps besides containers: agent and name server.
const KEPT: [&str; 2] = ["/orlopd.service", "/orlop-names.service"];
/// The agent's process.
const AGENT: &str = "orlopd";

pub(crate) struct Orlop {
    /// The TOML without containers.
    config: String,
    image: String,
}

fn ask<T: DeserializeOwned>(method: Method, path: &str, body: &str) -> Outcome<T> {
    let answer = ask_unix(UnixStream::connect(SOCKET)?, method, path, body)?;
    if answer.status.is_success() {
        return Ok(serde_json::from_str(&answer.body)?);
    }
    Err(format!("{path}: {}: {}", answer.status, answer.body).into())
}

fn get<T: DeserializeOwned>(path: &str) -> Outcome<T> {
    ask(Method::GET, path, "")
}

fn begin(path: &str, body: &serde_json::Value) -> Outcome<JobId> {
    match ask(Method::POST, path, &body.to_string())? {
        Answer::Job(id) => Ok(id),
        Answer::Plan(plan) => Err(format!("{path} answered with a plan: {plan}").into()),
    }
}

fn finish(id: JobId) -> Outcome<()> {
    let state = until(|| {
        let job: Job = get(&format!("/v1/jobs/{id}"))?;
        match job.state {
            JobState::Running { .. } => Err(format!("a job does not end: {job:?}").into()),
            ended => Ok(ended),
        }
    })?;
    match state {
        JobState::Done { .. } => Ok(()),
        other => Err(format!("a job ended as {other:?}").into()),
    }
}

impl Orlop {
    /// With the image in its store.
    pub(crate) fn new(config: String, image: &str) -> Outcome<Self> {
        let mut orlop = Self {
            config,
            image: image.to_owned(),
        };
        // Not measured: fetches the image, and a generation keeps it.
        orlop.rest()?;
        orlop.run(1..2)?;
        orlop.rest()?;
        orlop.remove(1..2)?;
        Ok(orlop)
    }

    fn apply(&self, numbers: Range<u16>) -> Outcome<()> {
        let mut config = self.config.clone();
        for number in numbers {
            let (name, image) = (name(number), &self.image);
            config.push_str(&format!(
                "\n[container.{name}]\nimage = \"{image}\"\nports = [\"{number}:8080\"]\n"
            ));
        }
        begin("/v1/config/apply", &json!({ "config": config }))?;
        Ok(())
    }

    /// Waits until nothing is under way.
    fn settle() -> Outcome<()> {
        until(|| {
            let status: Status = get("/v1/status")?;
            let current = status.current.as_ref();
            let good = current.is_some_and(|current| current.status == GenerationStatus::Good);
            if status.phase == Phase::Idle && good {
                return Ok(());
            }
            Err(format!("the node does not settle: {status:?}").into())
        })
    }
}

impl Engine for Orlop {
    /// The gate holds each config for a second, and lets no other in meanwhile.
    fn rest(&self) -> Outcome<()> {
        Self::settle()
    }

    fn run(&mut self, numbers: Range<u16>) -> Outcome<()> {
        self.apply(numbers)
    }

    fn stop(&self, number: u16) -> Outcome<()> {
        ran(Command::new("orlop").args(["container", "stop", &name(number)]))
    }

    fn start(&self, number: u16) -> Outcome<()> {
        ran(Command::new("orlop").args(["container", "start", &name(number)]))
    }

    fn remove(&mut self, _numbers: Range<u16>) -> Outcome<()> {
        self.apply(0..0)?;
        until(|| {
            let left: Vec<ContainerView> = get("/v1/containers")?;
            if left.is_empty() {
                return Ok(());
            }
            Err(format!("{} containers are left", left.len()).into())
        })
    }

    fn memory(&self) -> Outcome<f64> {
        proportional_mib(|_, groups| KEPT.iter().any(|kept| groups.contains(kept)))
    }

    fn pull(&self, image: &str) -> Outcome<Pull> {
        let agent = named(AGENT)?;
        agent.reset_peak()?;
        let before = agent.cpu_seconds()?;
        let begun = Instant::now();
        finish(begin("/v1/images/pull", &json!({ "image": image }))?)?;
        Ok(Pull {
            seconds: seconds(begun),
            cpu_seconds: agent.cpu_seconds()? - before,
            peak_mib: agent.peak_mib()?,
        })
    }
}
