//! The user and group that the worker runs as, and the mode of the socket that
//! follows from them.

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid};

use super::{SocketMode, WorkerConfig};

/// The user when `metadata_proxy_user` is empty.
const UNPRIVILEGED: &str = "nobody";

/// A resolved `metadata_proxy_user` and `metadata_proxy_group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub uid: Uid,
    pub gid: Gid,
    /// The user's name, or its number when it has none.
    pub name: String,
}

/// A user or group that this host does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    #[error(
        "[DEFAULT] metadata_proxy_user: this host has no user `{0}`; create it or name another"
    )]
    NoUser(String),
    #[error(
        "[DEFAULT] metadata_proxy_group: this host has no group `{0}`; create it or name another"
    )]
    NoGroup(String),
    #[error(
        "[DEFAULT] metadata_proxy_group: uid {0} has no entry in the user database, so no group of \
         its own; name a group"
    )]
    GroupNeeded(Uid),
    #[error("cannot ask the user database for `{name}`: {reason}")]
    Database {
        name: String,
        reason: nix::errno::Errno,
    },
}

impl WorkerConfig {
    /// Who the worker shall be.
    ///
    /// # Errors
    /// When the host does not know the user or the group.
    pub fn account(&self) -> Result<Account, AccountError> {
        let wanted = match self.user.as_str() {
            "" => UNPRIVILEGED,
            user => user,
        };
        let (uid, user) = find_user(wanted)?;
        let gid = match self.group.as_str() {
            "" => user
                .as_ref()
                .map(|user| user.gid)
                .ok_or(AccountError::GroupNeeded(uid))?,
            group => find_group(group)?,
        };
        let name = user.map_or_else(|| uid.to_string(), |user| user.name);
        Ok(Account { uid, gid, name })
    }
}

fn find_user(wanted: &str) -> Result<(Uid, Option<User>), AccountError> {
    let failed = |reason| database(wanted, reason);
    if let Ok(uid) = wanted.parse().map(Uid::from_raw) {
        return Ok((uid, User::from_uid(uid).map_err(failed)?));
    }
    let user = User::from_name(wanted)
        .map_err(failed)?
        .ok_or_else(|| AccountError::NoUser(wanted.to_owned()))?;
    Ok((user.uid, Some(user)))
}

fn find_group(wanted: &str) -> Result<Gid, AccountError> {
    if let Ok(gid) = wanted.parse().map(Gid::from_raw) {
        return Ok(gid);
    }
    Group::from_name(wanted)
        .map_err(|reason| database(wanted, reason))?
        .map(|group| group.gid)
        .ok_or_else(|| AccountError::NoGroup(wanted.to_owned()))
}

fn database(name: &str, reason: nix::errno::Errno) -> AccountError {
    AccountError::Database {
        name: name.to_owned(),
        reason,
    }
}

/// Bits of the socket's mode, by the rule of Neutron's metadata agent
/// (`UnixDomainMetadataProxy._get_socket_mode`).
pub(super) fn socket_mode(mode: SocketMode, user: &str, group: &str) -> u32 {
    let own_user = || {
        is_self(user, geteuid().as_raw(), || {
            Some(User::from_uid(geteuid()).ok()??.name)
        })
    };
    let own_group = || {
        is_self(group, getegid().as_raw(), || {
            Some(Group::from_gid(getegid()).ok()??.name)
        })
    };
    match mode {
        SocketMode::User => 0o644,
        SocketMode::Group => 0o664,
        SocketMode::All => 0o666,
        SocketMode::Deduce if matches!(user, "" | "0" | "root") || own_user() => 0o644,
        SocketMode::Deduce if group.is_empty() || own_group() => 0o664,
        SocketMode::Deduce => 0o666,
    }
}

fn is_self(wanted: &str, id: u32, name: impl FnOnce() -> Option<String>) -> bool {
    wanted.parse() == Ok(id) || name().is_some_and(|name| name == wanted)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::config::Sandboxing;

    fn account(user: &str, group: &str) -> Result<Account, AccountError> {
        let config = WorkerConfig {
            user: user.to_owned(),
            group: group.to_owned(),
            threads: 1,
            backlog: 1,
            sandbox: Sandboxing::Enforce,
        };
        config.account()
    }

    #[test]
    fn an_empty_user_is_nobody_with_its_own_group() {
        let nobody = User::from_name("nobody").unwrap().unwrap();
        let found = account("", "").unwrap();
        assert_eq!((found.uid, found.gid), (nobody.uid, nobody.gid));
        assert_eq!(found.name, "nobody");
    }

    #[test]
    fn users_and_groups_go_by_name_or_number() {
        let found = account("65534", "0").unwrap();
        assert_eq!((found.uid.as_raw(), found.gid.as_raw()), (65534, 0));
        assert_eq!(account("4000000000", "root").unwrap().name, "4000000000");
    }

    #[test]
    fn who_does_not_exist_is_named() {
        let said = |result: Result<Account, AccountError>| result.unwrap_err().to_string();
        assert_eq!(
            said(account("no-such-user", "")),
            "[DEFAULT] metadata_proxy_user: this host has no user `no-such-user`; \
             create it or name another"
        );
        assert_eq!(
            said(account("", "no-such-group")),
            "[DEFAULT] metadata_proxy_group: this host has no group `no-such-group`; \
             create it or name another"
        );
        assert_eq!(
            said(account("4000000000", "")),
            "[DEFAULT] metadata_proxy_group: uid 4000000000 has no entry in the user database, \
             so no group of its own; name a group"
        );
    }

    #[test]
    fn the_socket_mode_follows_user_and_group() {
        let me = geteuid().to_string();
        let my_group = getegid().to_string();
        for (mode, user, group, bits) in [
            (SocketMode::User, "x", "x", 0o644),
            (SocketMode::Group, "x", "x", 0o664),
            (SocketMode::All, "", "", 0o666),
            (SocketMode::Deduce, "", "x", 0o644),
            (SocketMode::Deduce, "root", "x", 0o644),
            (SocketMode::Deduce, "0", "x", 0o644),
            (SocketMode::Deduce, &me, "x", 0o644),
            (SocketMode::Deduce, "x", "", 0o664),
            (SocketMode::Deduce, "x", &my_group, 0o664),
            (SocketMode::Deduce, "x", "x", 0o666),
        ] {
            assert_eq!(
                socket_mode(mode, user, group),
                bits,
                "{mode:?} {user} {group}"
            );
        }
    }
}
