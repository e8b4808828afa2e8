//! One socket that hears of many namespaces.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use metadatad::namespaces::monitor::Monitor;
use metadatad::netlink::{LOOPBACK, NamespaceSocket};
use metadatad::netns::Netns;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::LocalSet;
use tokio::time::timeout;
use xtask::lab::namespace::Namespace;
use xtask::lab::unique;

const SILENCE: Duration = Duration::from_millis(300);

struct Watch {
    monitor: Rc<Monitor>,
    names: UnboundedReceiver<String>,
}

impl Watch {
    fn begin() -> Result<Self> {
        Self::of(Monitor::open()?)
    }

    fn of(monitor: Monitor) -> Result<Self> {
        let (sender, names) = unbounded_channel();
        let monitor = Rc::new(monitor);
        monitor.begin()?;
        tokio::task::spawn_local(monitor.clone().report(sender));
        Ok(Self { monitor, names })
    }

    /// Every name that comes until it is silent for a while, once.
    async fn heard(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        while let Ok(Some(name)) = timeout(SILENCE, self.names.recv()).await {
            heard.push(name);
        }
        heard.sort();
        heard.dedup();
        heard
    }
}

fn namespace() -> Result<(Namespace, Netns)> {
    let namespace = Namespace::create(&format!("monitor-{}", unique::tag()?))?;
    let netns = Netns::open(&namespace.path())?;
    Ok((namespace, netns))
}

fn run(test: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, test)
}

#[test]
fn what_happens_is_told_under_the_name_of_where_it_was() -> Result<()> {
    run(async {
        let (one, other) = (namespace()?, namespace()?);
        let mut watch = Watch::begin()?;
        let first = watch.monitor.watch(&one.1, "one".into())?;
        let _second = watch.monitor.watch(&other.1, "other".into())?;
        one.0.ip("link add qr-1 type veth peer name far")?;
        assert_eq!(watch.heard().await, ["one"]);
        other.0.ip("address add 10.0.0.1/24 dev lo")?;
        assert_eq!(watch.heard().await, ["other"]);
        first.rename("renamed".into());
        one.0.ip("link set qr-1 up")?;
        assert_eq!(watch.heard().await, ["renamed"]);
        one.0.sh("tc qdisc add dev qr-1 clsact")?;
        assert_eq!(watch.heard().await, ["renamed"]);
        drop(first);
        one.0.ip("link set qr-1 down")?;
        assert!(watch.heard().await.is_empty());
        Ok(())
    })
}

#[test]
fn who_leaves_a_namespace_does_not_make_deaf_who_came_after() -> Result<()> {
    run(async {
        let (namespace, netns) = namespace()?;
        let mut watch = Watch::begin()?;
        let before = watch.monitor.watch(&netns, "before".into())?;
        let _after = watch.monitor.watch(&netns, "after".into())?;
        drop(before);
        namespace.ip("address add 10.0.0.1/24 dev lo")?;
        assert_eq!(watch.heard().await, ["after"]);
        Ok(())
    })
}

#[test]
fn what_this_process_does_itself_is_no_news() -> Result<()> {
    run(async {
        let (home, there) = (namespace()?, namespace()?);
        // Where no other test's monitor has the number of this process's sockets.
        let mut watch = Watch::of(home.1.run(Monitor::open)??)?;
        let _watching = watch.monitor.watch(&there.1, "there".into())?;
        let ours = there.1.run(NamespaceSocket::open)??;
        ours.add_host_address(LOOPBACK, Ipv4Addr::new(10, 0, 0, 1), 169)?;
        assert!(watch.heard().await.is_empty());
        there.0.ip("address del 10.0.0.1/32 dev lo")?;
        assert_eq!(watch.heard().await, ["there"]);
        Ok(())
    })
}

#[test]
fn when_news_are_lost_all_may_have_changed() -> Result<()> {
    run(async {
        let (loud, silent) = (namespace()?, namespace()?);
        let mut watch = Watch::begin()?;
        let _loud = watch.monitor.watch(&loud.1, "loud".into())?;
        let _silent = watch.monitor.watch(&silent.1, "silent".into())?;
        // Nobody reads meanwhile: this thread is the monitor's.
        let batch = tempfile::NamedTempFile::new()?;
        fs::write(
            batch.path(),
            "link set lo down\nlink set lo up\n".repeat(8_000),
        )?;
        let path: &Path = batch.path();
        loud.0.ip(&format!("-batch {}", path.display()))?;
        assert_eq!(watch.heard().await, ["loud", "silent"]);
        silent.0.ip("address add 10.0.0.1/24 dev lo")?;
        assert_eq!(watch.heard().await, ["silent"]);
        Ok(())
    })
}
