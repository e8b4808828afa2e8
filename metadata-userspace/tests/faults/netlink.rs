//! The kernel does not answer what it is asked over netlink.

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use xtask::lab::system_calls::{Call, SystemCalls};

use crate::Estate;

/// As large is the buffer for the kernel's answers.
const ANSWER: u64 = 64 * 1024;

#[test]
fn a_namespace_of_which_nothing_is_heard_is_tried_again_and_others_are_served() -> Result<()> {
    let calls = SystemCalls::watch(&[libc::SYS_recvfrom]);
    let mut estate = Estate::create(|setup| setup.inside(calls.clone()))?;
    let supervisor = estate.site.daemon.pid();
    // What follows when the time is over for which it waits.
    calls.rule(move |call: &Call| {
        let is_netlink = call.pid == supervisor && call.arguments[2] == ANSWER;
        is_netlink.then_some(Errno::EAGAIN)
    });
    let newcomer = estate.newcomer()?;
    let name = newcomer.router.namespace().name();
    let said = ["ERROR", name, "the kernel did not answer RTM_"];
    estate.site.daemon.wait_log(&said)?;
    estate.is_served()?;
    calls.clear();
    estate.wait_newcomer_served(&newcomer)
}
