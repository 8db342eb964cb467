//! The D-Bus interface `io.orlop.Host1`.
//!
//! Its introspection is kept in `agent/daemon/dbus/io.orlop.Host1.xml`; docs/reference/dbus.md
//! explains it.

use super::access::{Peer, Role};
use super::audit;
use super::routes::Endpoint;
use crate::ops::{Caller, Operations, Order, Started};
use orlop_api::{
    ApplyConfigRequest, ApplyRequest, Fault, FaultKind, JobId, Mode, ReleaseRequest,
    RollBackRequest, StageRequest,
};
use serde::Serialize;
use std::sync::Arc;
use zbus::fdo::DBusProxy;
use zbus::message::{Header, Message};
use zbus::names::{BusName, ErrorName};
use zbus::object_server::SignalEmitter;

/// The object that carries the interface.
pub(crate) struct Host1<O> {
    ops: Arc<O>,
    group: String,
}

/// A fault as a D-Bus error: its kind is the name; message and hints are the text, a line each.
#[derive(Debug)]
pub(crate) struct BusFault {
    kind: FaultKind,
    text: String,
}

impl From<Fault> for BusFault {
    fn from(fault: Fault) -> Self {
        let mut text = fault.message;
        for hint in fault.hints {
            text.push_str("\nhint: ");
            text.push_str(&hint);
        }
        Self {
            kind: fault.kind,
            text,
        }
    }
}

impl zbus::DBusError for BusFault {
    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        Message::error(call, self.name()).build(&(self.text.as_str(),))
    }

    fn name(&self) -> ErrorName<'_> {
        ErrorName::from_static_str_unchecked(self.kind.dbus_name())
    }

    fn description(&self) -> Option<&str> {
        Some(&self.text)
    }
}

impl<O: Operations> Host1<O> {
    pub(crate) fn new(ops: Arc<O>, group: String) -> Self {
        Self { ops, group }
    }

    /// The caller, by the bus's word, if it may change the node. Asks the user database, so that
    /// the bus's policy file is not the only guard.
    async fn operator(
        &self,
        endpoint: Endpoint,
        connection: &zbus::Connection,
        header: &Header<'_>,
    ) -> Result<Caller, Fault> {
        let peer = self.peer(connection, header).await.map_err(|error| {
            Fault::new(
                FaultKind::Internal,
                format!("cannot tell who asks: {error}"),
            )
        })?;
        if let Err(fault) = peer.require(Role::Operator) {
            audit::record(
                &peer.caller,
                endpoint.as_str(),
                audit::Outcome::Refused(&fault),
            );
            return Err(fault);
        }
        Ok(peer.caller)
    }

    async fn peer(&self, connection: &zbus::Connection, header: &Header<'_>) -> zbus::Result<Peer> {
        let sender = header.sender().ok_or(zbus::Error::MissingField)?;
        let bus = DBusProxy::new(connection).await?;
        let uid = bus
            .get_connection_unix_user(BusName::from(sender.to_owned()))
            .await?;
        Ok(Peer::local(uid, &self.group))
    }

    /// What a container does after `order`.
    async fn order(
        &self,
        name: &str,
        (order, endpoint): (Order, Endpoint),
        connection: &zbus::Connection,
        header: &Header<'_>,
    ) -> Result<String, BusFault> {
        let caller = self.operator(endpoint, connection, header).await?;
        let result = self.ops.order(name, order, caller.clone()).await;
        let outcome = result.as_ref().map(drop).map_err(Clone::clone);
        audit::record_on(&caller, endpoint.as_str(), name, &outcome);
        Ok(result?.state.to_string())
    }
}

fn encode<T: Serialize>(value: &T) -> Result<String, BusFault> {
    serde_json::to_string(value).map_err(|error| {
        Fault::new(
            FaultKind::Internal,
            format!("cannot encode the answer: {error}"),
        )
        .into()
    })
}

/// Job number and empty plan, or 0 and the plan.
fn job_or_plan(started: Started) -> (u64, String) {
    match started {
        Started::Job(JobId(id)) => (id, String::new()),
        Started::Plan(plan) => (0, plan),
    }
}

/// `live`, `reboot`, or nothing, which leaves it to the config.
fn mode_of(word: &str) -> Result<Option<Mode>, Fault> {
    match word {
        "" => Ok(None),
        "live" => Ok(Some(Mode::Live)),
        "reboot" => Ok(Some(Mode::Reboot)),
        other => {
            let message = format!("cannot switch by mode `{other}`");
            Err(Fault::new(FaultKind::Usage, message)
                .hint("write `live` or `reboot`, or nothing to leave it to `[update] disruption`"))
        }
    }
}

fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[zbus::interface(name = "io.orlop.Host1")]
impl<O: Operations> Host1<O> {
    /// How the node stands, as JSON (Status).
    #[zbus(out_args("status"))]
    async fn status(&self) -> Result<String, BusFault> {
        encode(&self.ops.status().await)
    }

    /// Every generation on record, newest first, as JSON (a list of GenerationView).
    #[zbus(out_args("generations"))]
    async fn generations(&self) -> Result<String, BusFault> {
        encode(&self.ops.generations().await)
    }

    /// Fetches, verifies and records a generation. `os` is an OS image reference, empty for the
    /// config's; `config` is a TOML, empty for the current one. Gives the number of the job.
    #[zbus(out_args("job"))]
    async fn stage(
        &self,
        os: String,
        config: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> Result<u64, BusFault> {
        let caller = self.operator(Endpoint::Stage, connection, &header).await?;
        let request = StageRequest {
            os: non_empty(os),
            config: non_empty(config),
        };
        let result = self.ops.stage(request, caller.clone()).await;
        audit::record(&caller, Endpoint::Stage.as_str(), &result);
        Ok(result?.0)
    }

    /// Switches to the staged generation. `mode` is `live`, `reboot`, or empty to leave it to the
    /// config. Gives the number of the job, or, for a dry run, 0 and the plan.
    #[zbus(out_args("job", "plan"))]
    async fn apply(
        &self,
        mode: String,
        dry_run: bool,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> Result<(u64, String), BusFault> {
        let caller = self.operator(Endpoint::Apply, connection, &header).await?;
        let request = ApplyRequest {
            mode: mode_of(&mode)?,
            dry_run,
            ..ApplyRequest::default()
        };
        let result = self.ops.apply(request, caller.clone()).await;
        audit::record(&caller, Endpoint::Apply.as_str(), &result);
        Ok(job_or_plan(result?))
    }

    /// Switches to an earlier generation; `to` 0 takes the newest good one before the current. `mode`
    /// as for `Apply`. Gives the number of the job, or, for a dry run, 0 and the plan.
    #[zbus(out_args("job", "plan"))]
    async fn roll_back(
        &self,
        to: u64,
        mode: String,
        dry_run: bool,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> Result<(u64, String), BusFault> {
        let caller = self
            .operator(Endpoint::RollBack, connection, &header)
            .await?;
        let request = RollBackRequest {
            to: (to != 0).then_some(to),
            mode: mode_of(&mode)?,
            dry_run,
        };
        let result = self.ops.roll_back(request, caller.clone()).await;
        audit::record(&caller, Endpoint::RollBack.as_str(), &result);
        Ok(job_or_plan(result?))
    }

    /// Stages a TOML and switches to it. `mode` as for `Apply`. Gives the number of the job, or, for a
    /// dry run, 0 and the plan.
    #[zbus(out_args("job", "plan"))]
    async fn apply_config(
        &self,
        config: String,
        mode: String,
        dry_run: bool,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> Result<(u64, String), BusFault> {
        let caller = self
            .operator(Endpoint::ApplyConfig, connection, &header)
            .await?;
        let request = ApplyConfigRequest {
            config,
            mode: mode_of(&mode)?,
            dry_run,
            ..ApplyConfigRequest::default()
        };
        let result = self.ops.apply_config(request, caller.clone()).await;
        audit::record(&caller, Endpoint::ApplyConfig.as_str(), &result);
        Ok(job_or_plan(result?))
    }

    /// Switches to the staged generation. It goes back by itself unless `Confirm` is called within so
    /// many seconds. Gives the number of the job.
    #[zbus(out_args("job"))]
    async fn apply_to_confirm(
        &self,
        confirm_secs: u64,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> Result<u64, BusFault> {
        let caller = self.operator(Endpoint::Apply, connection, &header).await?;
        let request = ApplyRequest {
            confirm_secs: Some(confirm_secs),
            ..ApplyRequest::default()
        };
        let result = self.ops.apply(request, caller.clone()).await;
        audit::record(&caller, Endpoint::Apply.as_str(), &result);
        Ok(job_or_plan(result?).0)
    }

    /// Stages a TOML and switches to it. It goes back by itself unless `Confirm` is called within so
    /// many seconds. Gives the number of the job.
    #[zbus(out_args("job"))]
    async fn apply_config_to_confirm(
        &self,
        config: String,
        confirm_secs: u64,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> Result<u64, BusFault> {
        let caller = self
            .operator(Endpoint::ApplyConfig, connection, &header)
            .await?;
        let request = ApplyConfigRequest {
            config,
            confirm_secs: Some(confirm_secs),
            ..ApplyConfigRequest::default()
        };
        let result = self.ops.apply_config(request, caller.clone()).await;
        audit::record(&caller, Endpoint::ApplyConfig.as_str(), &result);
        Ok(job_or_plan(result?).0)
    }

    /// Lets the trial under way stay, if its gate does. Gives the seconds that were left for it.
    #[zbus(out_args("left_secs"))]
    async fn confirm(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> Result<u64, BusFault> {
        let caller = self
            .operator(Endpoint::Confirm, connection, &header)
            .await?;
        let result = self.ops.confirm(caller.clone()).await;
        let outcome = result.as_ref().map(drop).map_err(Clone::clone);
        audit::record(&caller, Endpoint::Confirm.as_str(), &outcome);
        Ok(result?.left_secs)
    }

    /// Lets the agent try an image again that failed. `digest` may be the beginning of one. Gives
    /// the whole digest.
    #[zbus(out_args("released"))]
    async fn release(
        &self,
        digest: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> Result<String, BusFault> {
        let caller = self
            .operator(Endpoint::Release, connection, &header)
            .await?;
        let result = self
            .ops
            .release(ReleaseRequest { digest }, caller.clone())
            .await;
        let outcome = result.as_ref().map(drop).map_err(Clone::clone);
        audit::record(&caller, Endpoint::Release.as_str(), &outcome);
        Ok(result?.manifest)
    }

    /// Every container of the current generation, as JSON (a list of ContainerView).
    #[zbus(out_args("containers"))]
    async fn containers(&self) -> Result<String, BusFault> {
        encode(&self.ops.containers().await)
    }

    /// What a container does: `running`, `stopped` and so on, how its probe stands, and words for people.
    #[zbus(out_args("state", "health", "detail"))]
    async fn container_state(&self, name: String) -> Result<(String, String, String), BusFault> {
        let view = self.ops.inspect(&name).await?.view;
        let (state, health) = (view.state.to_string(), view.health.to_string());
        Ok((state, health, view.detail))
    }

    /// Ends a container. It stays so until it is started, the next switch, or a start of the machine.
    /// Gives what it does then.
    #[zbus(out_args("state"))]
    async fn stop_container(
        &self,
        name: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> Result<String, BusFault> {
        let order = (Order::Stop, Endpoint::StopContainer);
        self.order(&name, order, connection, &header).await
    }

    /// Starts a container that is not at work. Gives what it does then.
    #[zbus(out_args("state"))]
    async fn start_container(
        &self,
        name: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> Result<String, BusFault> {
        let order = (Order::Start, Endpoint::StartContainer);
        self.order(&name, order, connection, &header).await
    }

    /// Ends a container and starts it again. Gives what it does then.
    #[zbus(out_args("state"))]
    async fn restart_container(
        &self,
        name: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> Result<String, BusFault> {
        let order = (Order::Restart, Endpoint::RestartContainer);
        self.order(&name, order, connection, &header).await
    }

    /// Sends a signal to a container's first process: `SIGHUP`, `HUP`, a number, or nothing for SIGKILL.
    /// Gives what the container does then.
    #[zbus(out_args("state"))]
    async fn kill_container(
        &self,
        name: String,
        signal: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> Result<String, BusFault> {
        let order = Order::kill(non_empty(signal).as_deref());
        let order = (order?, Endpoint::KillContainer);
        self.order(&name, order, connection, &header).await
    }

    /// What the node is doing: a phase, such as `idle` or `trial`.
    #[zbus(property)]
    async fn state(&self) -> String {
        self.ops.status().await.phase.to_string()
    }

    /// A job went on. `total` is 0 where it is not known.
    #[zbus(signal)]
    pub(crate) async fn progress(
        emitter: &SignalEmitter<'_>,
        job: u64,
        step: &str,
        done: u64,
        total: u64,
    ) -> zbus::Result<()>;

    /// A check of the gate has another result: `pass`, `fail`, or `wait` where it has none yet.
    #[zbus(signal)]
    pub(crate) async fn check_changed(
        emitter: &SignalEmitter<'_>,
        check: &str,
        result: &str,
        detail: &str,
    ) -> zbus::Result<()>;

    /// A trial began, or its gate begins anew after a restart of the agent. `fallback` is 0 where
    /// there is no way back, `confirm_secs` where it need not be confirmed.
    #[zbus(signal)]
    pub(crate) async fn trial_began(
        emitter: &SignalEmitter<'_>,
        generation: u64,
        fallback: u64,
        confirm_secs: u64,
    ) -> zbus::Result<()>;

    /// A trial ended. `verdict` is JSON (VerdictView).
    #[zbus(signal)]
    pub(crate) async fn trial_ended(
        emitter: &SignalEmitter<'_>,
        generation: u64,
        good: bool,
        trigger: &str,
        verdict: &str,
    ) -> zbus::Result<()>;

    /// So many of the signals before this one are lost: they came faster than they could be sent.
    #[zbus(signal)]
    pub(crate) async fn events_missed(emitter: &SignalEmitter<'_>, count: u64) -> zbus::Result<()>;

    /// The node's phase changed.
    #[zbus(signal, name = "StateChanged")]
    pub(crate) async fn phase_changed(emitter: &SignalEmitter<'_>, phase: &str)
    -> zbus::Result<()>;
}
