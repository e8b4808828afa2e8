//! The contenders: two routers each, with a guest and its neighbour behind one and
//! another guest behind the other.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::bench::load::Generator;
use crate::bench::nginx::{self, Upstream};
use crate::lab::daemon::{Daemon, Setup};
use crate::lab::guest::{Guest, METADATA};
use crate::lab::haproxy::Haproxy;
use crate::lab::inventory::{self, Instance};
use crate::lab::network::Network;
use crate::lab::router::{Router, Subnet};
use crate::lab::{http, wait};

/// haproxy's longest timeout and some seconds.
const RECOVERY: Duration = Duration::from_secs(60);

/// Fields are dropped in this order: processes before namespaces.
pub(super) struct Lane {
    pub(super) name: &'static str,
    daemon: Option<Daemon>,
    /// Run until they are dropped.
    haproxies: Vec<Haproxy>,
    pub(super) flooder: Guest,
    pub(super) neighbour: Guest,
    pub(super) elsewhere: Guest,
    network: Network,
    routers: [Router; 2],
}

/// Neutron's way and ours.
///
/// # Errors
/// When one cannot be made.
pub(super) fn all(binary: &Path, upstream: &Upstream) -> Result<Vec<Lane>> {
    let mut neutron = Lane::new("iptables + haproxy")?;
    for router in &neutron.routers {
        router.add_neutron_rules()?;
        // As the l3-agent sets it. Else a reset within a small window is not translated,
        // and never comes to haproxy.
        let liberal = "netfilter/nf_conntrack_tcp_be_liberal";
        router.namespace().sysctl(liberal, "1")?;
        let haproxy = Haproxy::start(router, &upstream.agent_socket())?;
        neutron.haproxies.push(haproxy);
    }
    let mut lanes = vec![neutron];
    for (name, options) in OURS {
        let mut ours = Lane::new(name)?;
        ours.daemon = Some(ours.start(binary, upstream, options)?);
        lanes.push(ours);
    }
    Ok(lanes)
}

/// Names, and options of `[metadatad]`.
const OURS: &[(&str, &[(&str, &str)])] = &[
    ("metadatad", &[]),
    ("metadatad, XDP guard", &[("xdp_guard", "qr-*")]),
];

impl Lane {
    fn new(name: &'static str) -> Result<Self> {
        let routers = [Router::create()?, Router::create()?];
        let [router, other] = &routers;
        let network = Network::behind(router, Subnet::TUTORIAL)?;
        let flooder = network.guest(Subnet::TUTORIAL.guest)?;
        let neighbour = network.guest([17, 17, 17, 6].into())?;
        let elsewhere = Guest::behind(other, Subnet::TUTORIAL)?;
        for guest in [&flooder, &neighbour, &elsewhere] {
            Generator::prepare(guest)?;
        }
        // Those of a kernel that hears of a connection it knows nothing of have no ACK.
        let no_resets = "iptables -w -A OUTPUT -p tcp --tcp-flags RST,ACK RST -j DROP";
        flooder.namespace().sh(no_resets)?;
        Ok(Self {
            name,
            daemon: None,
            haproxies: Vec::new(),
            flooder,
            neighbour,
            elsewhere,
            network,
            routers,
        })
    }

    fn start(
        &self,
        binary: &Path,
        upstream: &Upstream,
        options: &[(&str, &str)],
    ) -> Result<Daemon> {
        let [router, other] = &self.routers;
        let instances = [
            Instance::of(&self.flooder, router, "flooder")?.on(&self.network),
            Instance::of(&self.neighbour, router, "neighbour")?.on(&self.network),
            Instance::of(&self.elsewhere, other, "elsewhere")?,
        ];
        let names = [router, other].map(|router| router.namespace().name());
        let setup = Setup::new(binary, &names, inventory::file(&instances)?)?;
        let setup = setup.nova_port(upstream.nova_port());
        let setup = options
            .iter()
            .fold(setup, |setup, (name, value)| setup.option(name, value));
        Daemon::serving(setup, &names)
    }

    /// # Errors
    /// When a guest gets no answer, or a wrong one.
    pub(super) fn check(&self) -> Result<()> {
        for guest in [&self.flooder, &self.neighbour, &self.elsewhere] {
            let response = guest
                .get("/openstack/latest/meta_data.json")
                .with_context(|| format!("{} gives no answer", self.name))?;
            let is_right = response.status == 200 && response.text() == nginx::answer();
            ensure!(is_right, "{} gives the wrong answer", self.name);
        }
        Ok(())
    }

    /// Waits until the flood before has passed.
    ///
    /// # Errors
    /// When it does not, or a log cannot be emptied.
    pub(super) fn prepare(&self) -> Result<()> {
        wait::until("the last flood is over", RECOVERY, || {
            Ok([&self.neighbour, &self.elsewhere].iter().all(|guest| {
                let connected = guest.connect_within(METADATA.into(), Duration::from_secs(1));
                connected.is_ok_and(|mut stream| {
                    let limit = Duration::from_secs(1);
                    let answer = http::set_timeouts(&stream, limit)
                        .and_then(|()| http::get(&mut stream, "/openstack", ""));
                    answer.is_ok_and(|answer| answer.status == 200)
                })
            }))
        })?;
        self.daemon.iter().try_for_each(Daemon::clear_log)
    }
}
