//! Who may do what.

use crate::ops::Caller;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use orlop_api::{Fault, FaultKind};
use std::ffi::CString;
use std::fmt;

/// The group whose members may change the node, besides root.
pub(crate) const OPERATORS_GROUP: &str = "orlop";

/// What a caller may do. Each role may do what the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// See everything.
    Reader,
    /// Stage, apply, roll back, configure.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    /// The role that an organization (`O`) of a certificate's subject gives, if it gives one.
    pub fn from_organization(text: &str) -> Option<Self> {
        match text {
            "orlop:reader" => Some(Self::Reader),
            "orlop:operator" => Some(Self::Operator),
            "orlop:admin" => Some(Self::Admin),
            _ => None,
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Who it is.
    pub caller: Caller,
    /// What it may do; none is nothing at all.
    pub role: Option<Role>,
}

impl Peer {
    /// A process of this machine: root and members of `group` are admins, everyone else is nobody.
    pub(crate) fn local(uid: u32, group: &str) -> Self {
        let role = (uid == 0 || is_member(uid, group)).then_some(Role::Admin);
        Self {
            caller: Caller::Local { uid },
            role,
        }
    }

    /// Whether the peer may do what asks for `needed`; the fault says what is missing.
    pub(crate) fn require(&self, needed: Role) -> Result<(), Fault> {
        match (self.role, &self.caller) {
            (Some(role), _) if role >= needed => Ok(()),
            (Some(role), caller) => Err(Fault::new(
                FaultKind::Denied,
                format!("cannot let {caller} do this: its role is {role}, this needs {needed}"),
            )
            .hint(format!(
                "use a certificate whose subject has O=orlop:{needed}"
            ))),
            (None, caller @ Caller::Certificate { .. }) => Err(Fault::new(
                FaultKind::Denied,
                format!("cannot let {caller} in: the certificate gives no role"),
            )
            .hint(
                "make the client's certificate with O=orlop:reader, O=orlop:operator or \
                 O=orlop:admin in its subject (`orlop pki client`)",
            )),
            (None, caller) => Err(Fault::new(
                FaultKind::Denied,
                format!(
                    "cannot let {caller} do this: only root and members of group \
                     {OPERATORS_GROUP} may"
                ),
            )
            .hint(format!("ask as root or join the group {OPERATORS_GROUP}"))),
        }
    }
}

/// Whether the user is a member of the group, by the machine's user database. A database that
/// cannot be read makes nobody a member.
fn is_member(uid: u32, group: &str) -> bool {
    let gids = group_of(group).and_then(|group| Some((group, user_of(uid)?)));
    let Some((group, user)) = gids else {
        return false;
    };
    if user.gid == group {
        return true;
    }
    let Ok(name) = CString::new(user.name) else {
        return false;
    };
    match getgrouplist(&name, user.gid) {
        Ok(groups) => groups.contains(&group),
        Err(error) => {
            log::warn!(uid, error:% = error; "cannot list the groups of a caller, refusing it");
            false
        }
    }
}

/// The number of a group, where there is such a group.
pub(crate) fn group_of(name: &str) -> Option<Gid> {
    match Group::from_name(name) {
        Ok(group) => group.map(|group| group.gid),
        Err(error) => {
            log::warn!(group = name, error:% = error; "cannot look up a group, taking it as absent");
            None
        }
    }
}

fn user_of(uid: u32) -> Option<User> {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(user) => user,
        Err(error) => {
            log::warn!(uid, error:% = error; "cannot look up a caller, refusing it");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(role: Option<Role>) -> Peer {
        Peer {
            caller: Caller::Certificate {
                name: "anna".to_owned(),
            },
            role,
        }
    }

    #[test]
    fn a_role_may_do_what_the_roles_below_it_may() {
        assert!(
            certificate(Some(Role::Admin))
                .require(Role::Operator)
                .is_ok()
        );
        assert!(
            certificate(Some(Role::Operator))
                .require(Role::Reader)
                .is_ok()
        );
        let fault = certificate(Some(Role::Reader))
            .require(Role::Operator)
            .unwrap_err();
        assert_eq!(
            fault.message,
            "cannot let certificate CN=anna do this: its role is reader, this needs operator"
        );
    }

    #[test]
    fn a_certificate_without_a_role_may_not_even_read() {
        let fault = certificate(None).require(Role::Reader).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Denied);
        assert!(
            fault.message.ends_with("the certificate gives no role"),
            "{fault}"
        );
    }

    #[test]
    fn root_is_admin_and_a_stranger_is_nobody() {
        assert_eq!(Peer::local(0, OPERATORS_GROUP).role, Some(Role::Admin));
        assert_eq!(Peer::local(65534, OPERATORS_GROUP).role, None);
    }

    #[test]
    fn a_user_is_a_member_of_its_primary_group() {
        let nobody = user_of(65534).expect("nobody is in every user database");
        let group = Group::from_gid(nobody.gid)
            .unwrap()
            .expect("its group exists");
        assert_eq!(Peer::local(65534, &group.name).role, Some(Role::Admin));
    }
}
