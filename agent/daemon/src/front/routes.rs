//! The table of routes: what there is to ask over HTTP, and the role that it takes.

use super::access::{Peer, Role};
use super::connection::Connected;
use super::reply::FaultReply;
use super::{attach, container_handlers, exec, handlers, stored_handlers, tar_handlers};
use super::{audit, body};
use crate::ops::{Caller, Operations};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};
use orlop_api::{Fault, FaultKind};
use std::fmt;
use std::sync::Arc;

/// A method of HTTP that routes use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Changes, and what has a body.
    Post,
}

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// How the node stands.
    Status,
    /// Every generation.
    Generations,
    /// What two generations differ in.
    Diff,
    /// The config that runs.
    Config,
    /// Every config on record.
    ConfigHistory,
    /// Lets the trial under way stay.
    Confirm,
    /// Lets an image be tried again that failed.
    Release,
    /// Why this generation runs.
    Why,
    /// Every container.
    Containers,
    /// A container's log.
    Logs,
    /// Everything about a container.
    InspectContainer,
    /// What containers use.
    Stats,
    /// The processes of a container.
    Processes,
    /// Runs a command in a container.
    Exec,
    /// Joins a container's terminal or its input.
    Attach,
    /// Files of a container.
    CopyOut,
    /// Files into a container.
    CopyIn,
    /// Stops a container.
    StopContainer,
    /// Starts a container.
    StartContainer,
    /// Ends a container and starts it again.
    RestartContainer,
    /// Sends a signal to a container.
    KillContainer,
    /// Every image in the store.
    Images,
    /// One image.
    InspectImage,
    /// Fetches an image.
    PullImage,
    /// Removes an image.
    RemoveImage,
    /// Removes every image that nothing needs.
    PruneImages,
    /// Every volume.
    Volumes,
    /// One volume.
    InspectVolume,
    /// Removes a volume.
    RemoveVolume,
    /// A volume's content.
    ExportVolume,
    /// Gives a volume other content.
    ImportVolume,
    /// Every container network.
    Networks,
    /// One job.
    Job,
    /// What happens, as it happens.
    Events,
    /// Reads a TOML, changes nothing.
    CheckConfig,
    /// Stages a config and switches to it.
    ApplyConfig,
    /// Fetches a generation.
    Stage,
    /// Switches to the staged generation.
    Apply,
    /// Switches to an earlier generation.
    RollBack,
    /// Keeps a generation on record.
    Pin,
    /// Keeps a generation no longer than others.
    Unpin,
    /// Cancels a job.
    Cancel,
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path, parameters in braces.
    pub path: &'static str,
    /// What it takes to call it.
    pub role: Role,
    /// What it does.
    pub endpoint: Endpoint,
}

const fn read(path: &'static str, endpoint: Endpoint) -> Route {
    Route {
        method: Method::Get,
        path,
        role: Role::Reader,
        endpoint,
    }
}

const fn admin(method: Method, path: &'static str, endpoint: Endpoint) -> Route {
    Route {
        method,
        path,
        role: Role::Admin,
        endpoint,
    }
}

const fn change(path: &'static str, endpoint: Endpoint) -> Route {
    Route {
        method: Method::Post,
        path,
        role: Role::Operator,
        endpoint,
    }
}

/// Every route of the API. A path that is not here is not found.
pub const ROUTES: &[Route] = &[
    read("/v1/status", Endpoint::Status),
    read("/v1/generations", Endpoint::Generations),
    read("/v1/diff", Endpoint::Diff),
    read("/v1/config", Endpoint::Config),
    read("/v1/config/history", Endpoint::ConfigHistory),
    read("/v1/why", Endpoint::Why),
    read("/v1/containers", Endpoint::Containers),
    read("/v1/containers/{name}", Endpoint::InspectContainer),
    read("/v1/containers/{name}/logs", Endpoint::Logs),
    read("/v1/containers/{name}/processes", Endpoint::Processes),
    read("/v1/stats", Endpoint::Stats),
    read("/v1/images", Endpoint::Images),
    read("/v1/images/inspect", Endpoint::InspectImage),
    read("/v1/volumes", Endpoint::Volumes),
    read("/v1/volumes/{name}", Endpoint::InspectVolume),
    read("/v1/networks", Endpoint::Networks),
    read("/v1/jobs/{id}", Endpoint::Job),
    read("/v1/events", Endpoint::Events),
    Route {
        method: Method::Post,
        path: "/v1/config/check",
        role: Role::Reader,
        endpoint: Endpoint::CheckConfig,
    },
    change("/v1/config/apply", Endpoint::ApplyConfig),
    change("/v1/config/confirm", Endpoint::Confirm),
    change("/v1/update/stage", Endpoint::Stage),
    change("/v1/update/apply", Endpoint::Apply),
    change("/v1/update/release", Endpoint::Release),
    change("/v1/rollback", Endpoint::RollBack),
    change("/v1/generations/{id}/pin", Endpoint::Pin),
    change("/v1/generations/{id}/unpin", Endpoint::Unpin),
    change("/v1/jobs/{id}/cancel", Endpoint::Cancel),
    admin(Method::Post, "/v1/containers/{name}/exec", Endpoint::Exec),
    admin(
        Method::Post,
        "/v1/containers/{name}/attach",
        Endpoint::Attach,
    ),
    admin(
        Method::Get,
        "/v1/volumes/{name}/export",
        Endpoint::ExportVolume,
    ),
    admin(
        Method::Post,
        "/v1/volumes/{name}/import",
        Endpoint::ImportVolume,
    ),
    change("/v1/volumes/{name}/remove", Endpoint::RemoveVolume),
    change("/v1/images/pull", Endpoint::PullImage),
    change("/v1/images/remove", Endpoint::RemoveImage),
    change("/v1/images/prune", Endpoint::PruneImages),
    admin(
        Method::Get,
        "/v1/containers/{name}/archive",
        Endpoint::CopyOut,
    ),
    admin(
        Method::Post,
        "/v1/containers/{name}/unpack",
        Endpoint::CopyIn,
    ),
    change("/v1/containers/{name}/stop", Endpoint::StopContainer),
    change("/v1/containers/{name}/start", Endpoint::StartContainer),
    change("/v1/containers/{name}/restart", Endpoint::RestartContainer),
    change("/v1/containers/{name}/kill", Endpoint::KillContainer),
];

/// The router over the table. Each request must carry its [`Peer`] as an extension.
pub(crate) fn router<O: Operations>(ops: Arc<O>) -> Router {
    let mut router = Router::new();
    for route in ROUTES.iter().copied() {
        let handler = handler::<O>(route.endpoint)
            .layer(from_fn_with_state(
                (route, Arc::clone(&ops)),
                check_role::<O>,
            ))
            .fallback(wrong_method);
        router = router.route(route.path, handler);
    }
    router
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(body::MAX_BODY_BYTES))
        .with_state(ops)
}

fn handler<O: Operations>(endpoint: Endpoint) -> MethodRouter<Arc<O>> {
    match endpoint {
        Endpoint::Status => get(handlers::status::<O>),
        Endpoint::Generations => get(handlers::generations::<O>),
        Endpoint::Diff => get(handlers::diff::<O>),
        Endpoint::Config => get(handlers::config::<O>),
        Endpoint::ConfigHistory => get(handlers::config_history::<O>),
        Endpoint::Confirm => post(handlers::confirm::<O>),
        Endpoint::Release => post(handlers::release::<O>),
        Endpoint::Why => get(handlers::why::<O>),
        Endpoint::Containers => get(handlers::containers::<O>),
        Endpoint::Logs => get(handlers::logs::<O>),
        Endpoint::InspectContainer => get(container_handlers::inspect::<O>),
        Endpoint::Stats => get(container_handlers::stats::<O>),
        Endpoint::Processes => get(container_handlers::processes::<O>),
        Endpoint::Exec => post(exec::exec::<O>),
        Endpoint::Attach => post(attach::attach::<O>),
        Endpoint::CopyOut => get(tar_handlers::copy_out::<O>),
        Endpoint::CopyIn => post(tar_handlers::copy_in::<O>),
        Endpoint::StopContainer => post(container_handlers::stop::<O>),
        Endpoint::StartContainer => post(container_handlers::start::<O>),
        Endpoint::RestartContainer => post(container_handlers::restart::<O>),
        Endpoint::KillContainer => post(container_handlers::kill::<O>),
        Endpoint::Images => get(stored_handlers::images::<O>),
        Endpoint::InspectImage => get(stored_handlers::image::<O>),
        Endpoint::PullImage => post(stored_handlers::pull_image::<O>),
        Endpoint::RemoveImage => post(stored_handlers::remove_image::<O>),
        Endpoint::PruneImages => post(stored_handlers::prune_images::<O>),
        Endpoint::Volumes => get(stored_handlers::volumes::<O>),
        Endpoint::InspectVolume => get(stored_handlers::volume::<O>),
        Endpoint::RemoveVolume => post(stored_handlers::remove_volume::<O>),
        Endpoint::ExportVolume => get(tar_handlers::export_volume::<O>),
        Endpoint::ImportVolume => post(tar_handlers::import_volume::<O>),
        Endpoint::Networks => get(stored_handlers::networks::<O>),
        Endpoint::Job => get(handlers::job::<O>),
        Endpoint::Events => get(handlers::events::<O>),
        Endpoint::CheckConfig => post(handlers::check_config::<O>),
        Endpoint::ApplyConfig => post(handlers::apply_config::<O>),
        Endpoint::Stage => post(handlers::stage::<O>),
        Endpoint::Apply => post(handlers::apply::<O>),
        Endpoint::RollBack => post(handlers::roll_back::<O>),
        Endpoint::Pin => post(handlers::pin::<O>),
        Endpoint::Unpin => post(handlers::unpin::<O>),
        Endpoint::Cancel => post(handlers::cancel::<O>),
    }
}

async fn check_role<O: Operations>(
    State((route, ops)): State<(Route, Arc<O>)>,
    Extension(peer): Extension<Peer>,
    Extension(connected): Extension<Connected>,
    request: Request,
    next: Next,
) -> Response {
    if let Err(fault) = peer.require(route.role) {
        if route.role > Role::Reader {
            audit::record(
                &peer.caller,
                route.endpoint.as_str(),
                audit::Outcome::Refused(&fault),
            );
        }
        return FaultReply(fault).into_response();
    }
    if matches!(peer.caller, Caller::Certificate { .. }) {
        ops.reached(&peer.caller, connected.0);
    }
    next.run(request).await
}

async fn not_found(request: Request) -> FaultReply {
    let path = request.uri().path();
    FaultReply(
        Fault::new(
            FaultKind::NotFound,
            format!("cannot find {path}: the API has no such path"),
        )
        .hint("docs/reference/api.md lists every path"),
    )
}

async fn wrong_method(request: Request) -> FaultReply {
    let (method, path) = (request.method(), request.uri().path());
    FaultReply(
        Fault::new(
            FaultKind::Usage,
            format!("cannot {method} {path}: use the other method"),
        )
        .hint("reads are GET, changes are POST"),
    )
}

impl Endpoint {
    /// Its name, as audit records write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Generations => "generations",
            Self::Diff => "diff",
            Self::Config => "config",
            Self::ConfigHistory => "config-history",
            Self::Confirm => "confirm",
            Self::Release => "release",
            Self::Why => "why",
            Self::Containers => "containers",
            Self::Logs => "logs",
            Self::InspectContainer => "inspect-container",
            Self::Stats => "stats",
            Self::Processes => "processes",
            Self::Exec => "exec",
            Self::Attach => "attach",
            Self::CopyOut => "copy-out",
            Self::CopyIn => "copy-in",
            Self::StopContainer => "stop-container",
            Self::StartContainer => "start-container",
            Self::RestartContainer => "restart-container",
            Self::KillContainer => "kill-container",
            Self::Images => "images",
            Self::InspectImage => "inspect-image",
            Self::PullImage => "pull-image",
            Self::RemoveImage => "remove-image",
            Self::PruneImages => "prune-images",
            Self::Volumes => "volumes",
            Self::InspectVolume => "inspect-volume",
            Self::RemoveVolume => "remove-volume",
            Self::ExportVolume => "export-volume",
            Self::ImportVolume => "import-volume",
            Self::Networks => "networks",
            Self::Job => "job",
            Self::Events => "events",
            Self::CheckConfig => "check-config",
            Self::ApplyConfig => "apply-config",
            Self::Stage => "stage",
            Self::Apply => "apply",
            Self::RollBack => "roll-back",
            Self::Pin => "pin",
            Self::Unpin => "unpin",
            Self::Cancel => "cancel",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Post => "POST",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_lists_every_route_with_its_role() {
        let reference = include_str!("../../../../docs/reference/api.md");
        for Route {
            method, path, role, ..
        } in ROUTES
        {
            let row = format!("| `{method} {path}` | {role} |");
            assert!(
                reference.contains(&row),
                "docs/reference/api.md lacks a row `{row}`"
            );
        }
    }

    #[test]
    fn whatever_changes_the_node_takes_an_operator_and_the_data_of_containers_an_admin() {
        for route in ROUTES.iter().copied() {
            let data = matches!(
                route.endpoint,
                Endpoint::Exec
                    | Endpoint::Attach
                    | Endpoint::ExportVolume
                    | Endpoint::ImportVolume
                    | Endpoint::CopyOut
                    | Endpoint::CopyIn
            );
            let changes = route.method == Method::Post && route.endpoint != Endpoint::CheckConfig;
            let needed = match (data, changes) {
                (true, _) => Role::Admin,
                (false, true) => Role::Operator,
                (false, false) => Role::Reader,
            };
            assert_eq!(route.role, needed, "{}", route.path);
        }
    }
}
