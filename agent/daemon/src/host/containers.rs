//! Operating containers.

use super::operations::Host;
use crate::clock;
use crate::ops::{Caller, ContainerOperations, Order, Session, Tar};
use crate::runtime::Wish;
use orlop_api::{
    AttachRequest, ContainerDetail, ContainerStats, ContainerView, CopyInQuery, ExecRequest, Fault,
    ProcessView,
};

impl ContainerOperations for Host {
    async fn inspect(&self, container: &str) -> Result<ContainerDetail, Fault> {
        Ok(self.shared().live.runtime().inspect(container).await?)
    }

    async fn stats(&self, containers: &[String]) -> Result<Vec<ContainerStats>, Fault> {
        Ok(self.shared().live.runtime().stats(containers).await?)
    }

    async fn processes(&self, container: &str) -> Result<Vec<ProcessView>, Fault> {
        Ok(self.shared().live.runtime().processes(container).await?)
    }

    async fn exec(
        &self,
        container: &str,
        request: ExecRequest,
        caller: Caller,
    ) -> Result<Session, Fault> {
        let program = request.command.first().map_or("", String::as_str);
        log::info!(
            container, caller:% = caller, program;
            "{caller} runs {program} in container {container}"
        );
        let runtime = self.shared().live.runtime();
        Ok(runtime.open_session(container, request).await?)
    }

    async fn attach(
        &self,
        container: &str,
        request: AttachRequest,
        caller: Caller,
    ) -> Result<Session, Fault> {
        log::info!(container, caller:% = caller; "{caller} attaches to container {container}");
        let runtime = self.shared().live.runtime();
        Ok(runtime.attach(container, request).await?)
    }

    async fn copy_out(&self, container: &str, path: &str, caller: Caller) -> Result<Tar, Fault> {
        log::info!(container, caller:% = caller; "{caller} copies {path} out of container {container}");
        self.shared().live.runtime().copy_out(container, path).await
    }

    async fn copy_in(
        &self,
        container: &str,
        query: CopyInQuery,
        content: Tar,
        caller: Caller,
    ) -> Result<(), Fault> {
        let path = &query.path;
        log::info!(container, caller:% = caller; "{caller} copies to {path} in container {container}");
        let runtime = self.shared().live.runtime();
        runtime.copy_in(container, query, content).await
    }

    async fn order(
        &self,
        container: &str,
        order: Order,
        caller: Caller,
    ) -> Result<ContainerView, Fault> {
        let (shared, runtime) = (self.shared(), self.shared().live.runtime());
        log::info!(container, caller:% = caller; "asked to {order} container {container}");
        let done = match order {
            Order::Stop => {
                let (generation, _) = shared.running_generation()?;
                let wish = Wish {
                    by: caller.to_string(),
                    at: clock::now().0,
                    generation: generation.id.0,
                };
                runtime.stop(container, wish).await
            }
            Order::Start => runtime.start(container).await,
            Order::Restart => runtime.restart(container).await,
            Order::Kill(signal) => runtime.kill(container, &signal).await,
        };
        Ok(done?)
    }
}
