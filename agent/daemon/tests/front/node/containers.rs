//! What containers of a node in memory do.

use super::{MemoryNode, NOW};
use futures_util::stream;
use futures_util::{FutureExt, StreamExt};
use orlop_api::{
    AttachRequest, ContainerDetail, ContainerState, ContainerStats, ContainerView, ExecRequest,
    Fault, MountView, ProbeView, ProcessView,
};
use orlopd::ops::{Caller, ContainerOperations, Order, Session, Tar};
use std::process::Stdio;

impl ContainerOperations for MemoryNode {
    async fn inspect(&self, container: &str) -> Result<ContainerDetail, Fault> {
        Ok(ContainerDetail {
            view: self.view(container).await?,
            config: serde_json::json!({ "memory": 67_108_864 }),
            command: vec!["/app/server".to_owned()],
            mounts: vec![MountView {
                path: "/var/lib/data".to_owned(),
                kind: "bind".to_owned(),
                source: "/state/volumes/data".to_owned(),
                options: vec!["rw".to_owned()],
            }],
            host_ids: Some("524288-589823".to_owned()),
            userns: String::new(),
            tty: false,
            stdin: true,
            unit: format!("orlop-container-{container}.service"),
            cgroup: "/orlop.slice".to_owned(),
            last_exit: Some("signal 9".to_owned()),
            probes: vec![ProbeView {
                at: NOW,
                pass: false,
                detail: "status 503".to_owned(),
            }],
        })
    }

    async fn stats(&self, containers: &[String]) -> Result<Vec<ContainerStats>, Fault> {
        let stats = |name: &String| ContainerStats {
            name: name.clone(),
            at_micros: 1,
            memory: Some(3 << 20),
            memory_max: Some(64 << 20),
            pids: Some(2),
            ..ContainerStats::default()
        };
        Ok(containers.iter().map(stats).collect())
    }

    async fn processes(&self, container: &str) -> Result<Vec<ProcessView>, Fault> {
        self.view(container).await?;
        Ok(vec![ProcessView {
            pid: 77,
            uid: 1000,
            cpu_millis: 12_340,
            command: "/app/server --listen :80\u{1b}".to_owned(),
        }])
    }

    /// On this machine, which is as good as any container.
    async fn exec(
        &self,
        container: &str,
        request: ExecRequest,
        caller: Caller,
    ) -> Result<Session, Fault> {
        self.note(format!("exec {request:?} in {container}"), &caller)?;
        self.view(container).await?;
        let mut child = tokio::process::Command::new(&request.command[0])
            .args(&request.command[1..])
            .stdin(match request.stdin {
                true => Stdio::piped(),
                false => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Ok(Session {
            stdin: child.stdin.take().map(|pipe| Box::new(pipe) as _),
            stdout: child.stdout.take().map(|pipe| Box::new(pipe) as _),
            stderr: child.stderr.take().map(|pipe| Box::new(pipe) as _),
            terminal: None,
            ended: async move {
                let status = child.wait().await?;
                Ok(u8::try_from(status.code().unwrap()).unwrap())
            }
            .boxed(),
        })
    }

    /// A shell on this machine instead of the container's program.
    async fn attach(
        &self,
        container: &str,
        request: AttachRequest,
        caller: Caller,
    ) -> Result<Session, Fault> {
        self.note(format!("attach {request:?} to {container}"), &caller)?;
        let command = ["sh", "-c", "read -r line; echo \"got $line\"; exit 4"];
        let request = ExecRequest {
            command: command.map(str::to_owned).to_vec(),
            stdin: true,
            ..ExecRequest::default()
        };
        self.exec(container, request, caller).await
    }

    async fn copy_out(&self, container: &str, path: &str, caller: Caller) -> Result<Tar, Fault> {
        self.note(format!("copy {path} out of {container}"), &caller)?;
        self.view(container).await?;
        let output = tokio::process::Command::new("tar")
            .args(["--create", "--directory=/proc/self", "comm"])
            .output()
            .await
            .unwrap();
        Ok(stream::iter([Ok(output.stdout.into())]).boxed())
    }

    async fn copy_in(
        &self,
        container: &str,
        query: orlop_api::CopyInQuery,
        content: Tar,
        caller: Caller,
    ) -> Result<(), Fault> {
        self.view(container).await?;
        let chunks: Vec<_> = content.map(Result::unwrap).collect().await;
        let mut archive = tar::Archive::new(std::io::Cursor::new(chunks.concat()));
        let mut names = Vec::new();
        for entry in archive.entries().unwrap() {
            names.push(entry.unwrap().path().unwrap().display().to_string());
        }
        self.note(format!("copy {names:?} as {query:?}"), &caller)
    }

    async fn order(
        &self,
        container: &str,
        order: Order,
        caller: Caller,
    ) -> Result<ContainerView, Fault> {
        self.note(format!("{order} {container}"), &caller)?;
        let mut view = self.view(container).await?;
        if order == Order::Stop {
            view.state = ContainerState::Stopped;
            view.detail = format!("stopped by {caller}");
        }
        Ok(view)
    }
}
