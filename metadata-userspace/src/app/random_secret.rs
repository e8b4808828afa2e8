//! The shared secret when the operator gave none, and both who sign and who verify are in
//! this daemon. A daemon that takes over has the same, since workers of both serve for a
//! moment.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use anyhow::Context;

use super::lineage::{Belonging, Lineage};
use crate::config::Secret;
use crate::supervisor::control::{from_memory_file, to_memory_file};
use crate::supervisor::inherited::Inherited;

/// By what name it is left.
const NAME: &str = "secret";

/// The secret of the daemon before this one, or a new one.
pub(super) fn take_or_make(
    inherited: &mut Inherited,
    lineage: &mut Lineage,
) -> anyhow::Result<Secret> {
    if let Some((secret, file)) = inherited.take_all(NAME).into_iter().find_map(read) {
        lineage.leave(belonging(file), true);
        return Ok(secret);
    }
    let secret = make()?;
    lineage.leave(belonging(to_memory_file(&secret)?), false);
    Ok(secret)
}

fn belonging(file: OwnedFd) -> Belonging {
    Belonging {
        name: NAME,
        descriptor: Rc::new(file),
        backlog: None,
    }
}

fn read(file: OwnedFd) -> Option<(Secret, OwnedFd)> {
    let secret = from_memory_file(file.try_clone().ok()).ok()?;
    Some((secret, file))
}

fn make() -> anyhow::Result<Secret> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("cannot make a shared secret")?;
    Ok(Secret(
        bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    ))
}
