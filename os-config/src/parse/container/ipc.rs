//! Containers that share IPC, and the user namespaces that this and networks belong to.

use super::super::context::{Context, Noun, Tie, TieKind};
use super::super::section::Section;
use crate::forms::{self, Problem};
use crate::model::{
    Container, HostRight, Name, NetworkMode, Security, UserNamespace, user_namespace_holder,
};
use std::collections::BTreeMap;

/// Whose IPC it shares. What is of that container is not set by this one.
pub(super) fn ipc(
    cx: &mut Context,
    name: &Name,
    section: &Section<'_>,
    security: &Security,
) -> Option<Name> {
    let other = section.text(cx, "ipc", forms::ipc_of)?;
    let span = section.span_of("ipc");
    cx.refer(Noun::Container, other.as_str(), span.clone());
    cx.ties.push(Tie {
        span: span.clone(),
        from: name.clone(),
        to: other.clone(),
        how: TieKind::Ipc,
    });
    if security.host.contains(&HostRight::Ipc) {
        let problem = Problem::new("it cannot share the host's IPC and another's");
        cx.report(span, problem.help("remove `ipc`, or \"ipc\" from `host`"));
    }
    if section.has("shm_size") {
        let message = format!("`shm_size` has no effect: `/dev/shm` is that of `{other}`");
        let problem = Problem::new(message).help(format!("give it to `{other}`"));
        cx.report(section.span_of("shm_size"), problem);
    }
    for pair in section.pairs(cx, "sysctl", |text| Ok(text.to_owned()), |_| Ok(())) {
        if forms::is_of_ipc(&pair.name) {
            let message = format!("`{}` belongs to the IPC of `{other}`", pair.name);
            let problem = Problem::new(message).help(format!("give it to `{other}`"));
            cx.report(pair.at, problem);
        }
    }
    Some(other)
}

pub(super) fn has_own(container: &Container) -> bool {
    !container.security.host.contains(&HostRight::Ipc) && container.security.ipc.is_none()
}

/// Why who shares network or IPC cannot be in the user namespace that they belong to.
pub(super) fn strange_namespace(
    tie: &Tie,
    containers: &BTreeMap<Name, Container>,
) -> Option<Problem> {
    let from = containers.get(&tie.from)?;
    let shared = match tie.how {
        TieKind::Network => "network",
        TieKind::Ipc => "IPC",
        TieKind::After(_) | TieKind::Alone => return None,
    };
    let Some(holder) = holder(&tie.to, containers) else {
        // Networks alone make no circle.
        let message = format!(
            "`{}` shares in a circle, in nobody's user namespace",
            tie.to
        );
        return (tie.how == TieKind::Ipc).then(|| {
            Problem::new(message).help("let one of the two be named by `network` and by `ipc`")
        });
    };
    let of_other = in_hosts(&tie.to, containers);
    if of_other && from.security.userns == UserNamespace::Own {
        let message = format!(
            "`{}` is in the host's user namespace, and who shares its {shared} too",
            tie.to
        );
        let help = format!("write `userns = \"auto\"`, or have its own {shared}");
        return Some(Problem::new(message).help(help));
    }
    if tie.how != TieKind::Ipc {
        return None;
    }
    if let (Some(what), false) = (own_reason(from), of_other) {
        let message = format!(
            "{what} puts `{}` in the host's user namespace, and the IPC of `{}` belongs to another",
            tie.from, tie.to
        );
        let help = format!("write `userns = \"host\"` for `{}`", tie.to);
        return Some(Problem::new(message).help(help));
    }
    let Some(NetworkMode::Container(net)) = &from.network else {
        return None;
    };
    let holder_of_net = self::holder(net, containers)?;
    let differ = in_hosts(net, containers) != of_other || !of_other && holder_of_net != holder;
    differ.then(|| {
        let message = format!(
            "the network of `{net}` and the IPC of `{}` belong to different user namespaces",
            tie.to
        );
        let help = format!(
            "share both of one container, or write `userns = \"host\"` for `{net}` and `{}`",
            tie.to
        );
        Problem::new(message).help(help)
    })
}

fn holder<'a>(name: &'a Name, containers: &'a BTreeMap<Name, Container>) -> Option<&'a Name> {
    user_namespace_holder(name, |name| containers.get(name))
}

/// What of its own keys puts it in the host's user namespace.
fn own_reason(container: &Container) -> Option<String> {
    if container.security.userns == UserNamespace::Host {
        return Some("`userns = \"host\"`".to_owned());
    }
    container.needs_hosts_user_namespace().map(|(_, what)| what)
}

/// Whether a container, which shares with nobody in a circle, is in the host's user namespace.
fn in_hosts(name: &Name, containers: &BTreeMap<Name, Container>) -> bool {
    let mut at = Some(name);
    while let Some(container) = at.and_then(|name| containers.get(name)) {
        if own_reason(container).is_some() {
            return true;
        }
        at = container.shares_user_namespace_of();
    }
    false
}
