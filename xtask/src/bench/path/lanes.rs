//! A guest with its router for each way that is compared.

use std::path::Path;

use anyhow::Result;

use super::{CACHED, NEUTRON, NGINX, OURS, QUIET};
use crate::bench::load::Generator;
use crate::bench::nginx::{Nginx, Place, Upstream};
use crate::bench::rounds::Contender;
use crate::lab::guest::Guest;
use crate::lab::haproxy::Haproxy;
use crate::lab::router::{Router, Subnet, VIP};
use crate::lab::site::Site;

/// All of them at once: rounds go by turns.
pub(super) struct Lanes {
    neutron: Lane<Haproxy>,
    nginx: Lane<Nginx>,
    ours: Vec<(&'static str, Site)>,
}

/// Fields are dropped in this order: processes before namespaces.
struct Lane<Server> {
    server: Server,
    guest: Guest,
    _router: Router,
}

impl Lanes {
    /// # Errors
    /// When one cannot be made.
    pub(super) fn new(binary: &Path, upstream: &Upstream) -> Result<Self> {
        let ours = [
            (OURS, ("access_log", "true")),
            (QUIET, ("access_log", "false")),
            (CACHED, ("response_ttl", "3600")),
        ];
        let ours = ours.map(|(name, option)| Ok((name, site(binary, upstream, option)?)));
        Ok(Self {
            neutron: Lane::new(|router| {
                router.add_neutron_rules()?;
                Haproxy::start(router, &upstream.agent_socket())
            })?,
            nginx: Lane::new(|router| {
                let inside = router.namespace();
                inside.ip(&format!("address add {VIP}/32 dev lo"))?;
                Nginx::in_router(router, Place::MetadataAddress)
            })?,
            ours: ours.into_iter().collect::<Result<_>>()?,
        })
    }

    /// `nginx` is the process that stands for Nova.
    pub(super) fn contenders(&self, nginx: u32) -> Vec<Contender<'_>> {
        let upstream = ("nginx", nginx);
        let neutron = Contender {
            name: NEUTRON,
            guest: &self.neutron.guest,
            processes: vec![("proxy", self.neutron.server.pid()), upstream],
            prepare: Box::new(|| Ok(())),
        };
        let alone = Contender {
            name: NGINX,
            guest: &self.nginx.guest,
            processes: vec![("nginx", self.nginx.server.pid())],
            prepare: Box::new(|| Ok(())),
        };
        let ours = self.ours.iter().map(|(name, site)| Contender {
            name,
            guest: &site.guest,
            processes: vec![("proxy", site.daemon.pid()), upstream],
            prepare: Box::new(|| site.daemon.clear_log()),
        });
        [neutron].into_iter().chain(ours).chain([alone]).collect()
    }
}

impl<Server> Lane<Server> {
    fn new(start: impl FnOnce(&Router) -> Result<Server>) -> Result<Self> {
        let router = Router::create()?;
        let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
        Generator::prepare(&guest)?;
        Ok(Self {
            server: start(&router)?,
            guest,
            _router: router,
        })
    }
}

fn site(binary: &Path, upstream: &Upstream, (name, value): (&str, &str)) -> Result<Site> {
    let site = Site::with(
        binary,
        |_| {},
        |setup| {
            setup
                .nova_port(upstream.nova_port())
                .option(name, value)
                .hardly_limited()
        },
    )?;
    Generator::prepare(&site.guest)?;
    Ok(site)
}
