//! What is served goes away between any two steps of serving it.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MsFlags, mount};
use xtask::lab::namespace::{self, Namespace};
use xtask::lab::system_calls::SystemCalls;
use xtask::lab::{proc, unique, wait};

use crate::{Estate, LIMIT};

/// All of the supervisor's that concern a namespace.
const STEPS: [i64; 8] = [
    libc::SYS_openat,
    libc::SYS_setns,
    libc::SYS_socket,
    libc::SYS_bind,
    libc::SYS_setsockopt,
    libc::SYS_listen,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
];
const INTERFACE: &str = "qr-deleted";
/// Longer than it takes to serve a namespace, on a busy machine.
const SERVED: Duration = Duration::from_secs(5);

/// A namespace with an interface for guests, known to nobody yet.
fn make(hidden: &str) -> Result<File> {
    let namespace = Namespace::create(hidden)?;
    for line in [
        format!("link add {INTERFACE} type veth peer name far"),
        "link set far up".to_owned(),
        format!("address add 17.17.17.1/24 dev {INTERFACE}"),
        format!("link set {INTERFACE} up"),
    ] {
        namespace.ip(&line)?;
    }
    // Not by its name: Linux 6.18 never lets go of what is mounted once more from a mount that
    // has been taken away.
    Ok(namespace.enter(|| File::open("/proc/thread-self/ns/net"))??)
}

/// A name that is taken away again, if it is still there.
struct Published<'a>(&'a str);

impl Drop for Published<'_> {
    fn drop(&mut self) {
        namespace::remove(self.0);
    }
}

/// As `ip netns` does it: a file, then a mount on it.
fn publish<'a>(made: &File, name: &'a str) -> Result<Published<'a>> {
    let path = Path::new(namespace::DIRECTORY).join(name);
    File::create(&path)?;
    let published = Published(name);
    let none = None::<&str>;
    let made = format!("/proc/self/fd/{}", made.as_raw_fd());
    match mount(Some(made.as_str()), &path, none, MsFlags::MS_BIND, none) {
        Err(Errno::ENOENT) => {} // deleted already
        mounted => mounted.with_context(|| format!("cannot mount {}", path.display()))?,
    }
    Ok(published)
}

/// Has `delete` happen before the supervisor's n-th step, for each n that there is.
fn before_each_step(delete: fn(&str)) -> Result<()> {
    let calls = SystemCalls::watch(&STEPS);
    let estate = Estate::create(|setup| setup.inside(calls.clone()))?;
    let name = format!("qrouter-{}", estate.newcomer);
    let supervisor = estate.site.daemon.pid();
    let worker = estate.site.daemon.worker_pid()?;
    let open_before = proc::open_files(supervisor)?;
    let mut step = 0;
    loop {
        let made = make(&format!("hidden-{}", unique::tag()?))?;
        let (taken, deleted) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(false)));
        let (is_deleted, to_delete) = (deleted.clone(), name.clone());
        calls.rule(move |call| {
            if call.pid == supervisor && taken.fetch_add(1, SeqCst) == step {
                delete(&to_delete);
                is_deleted.store(true, SeqCst);
            }
            None
        });
        let published = publish(&made, &name)?;
        drop(made);
        let waited = wait::until("the step is taken", SERVED, || Ok(deleted.load(SeqCst)));
        calls.clear();
        drop(published);
        assert!(
            proc::is_alive(supervisor) && proc::is_alive(worker),
            "before step {step}"
        );
        wait::until("the namespace is forgotten", LIMIT, || {
            Ok(estate.site.daemon.namespace(&name)?.is_none())
        })?;
        estate.is_served()?;
        if waited.is_err() {
            break;
        }
        step += 1;
    }
    println!("deleted before each of {step} steps");
    assert!(step > 10, "{step} steps are too few to serve a namespace");
    assert_eq!(estate.site.daemon.worker_pid()?, worker);
    wait::until("no namespace is held that is gone", LIMIT, || {
        Ok(nameless_namespaces_of(supervisor)? == 0)
    })?;
    // Sockets keep namespaces too. A few files come and go.
    let open = proc::open_files(supervisor)?;
    assert!(open < open_before + 8, "{open_before} files became {open}");
    let open = proc::open_files(worker)?;
    assert!(open < 64, "the worker has {open} files open");
    Ok(())
}

/// A namespace that has a name is shown by that, one whose name is gone as what is mounted
/// nowhere, and one that was opened without a name by its number.
fn nameless_namespaces_of(pid: u32) -> Result<usize> {
    let is_nameless = |held: &String| held == "/" || held.starts_with("net:");
    let held = proc::descriptors(pid)?.into_iter();
    Ok(held.filter(is_nameless).count())
}

#[test]
fn a_namespace_that_is_deleted_before_any_step_is_let_go() -> Result<()> {
    before_each_step(namespace::remove)
}

#[test]
fn an_interface_that_is_deleted_before_any_step_hinders_nothing() -> Result<()> {
    before_each_step(|name| {
        // Before the namespace has its name there is nothing to delete.
        let _ = Namespace::of_somebody(name).ip(&format!("link delete {INTERFACE}"));
    })
}
