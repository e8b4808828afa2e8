//! What is known of one realm, and finding out more.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::rounds::Rounds;
use super::snapshot::Snapshot;
use crate::identity::{Port, Realm, Requester};
use crate::resolver::identify::{Certainty, Doubt, Sighting, is_known_by_mac, judge, mac_to_find};
use crate::resolver::source::{PortQuery, PortSource};
use crate::resolver::{Asking, ResolveError};

/// Guests cause the fetching: an address that nobody has, a MAC that nobody knows.
const PACE: Duration = Duration::from_secs(1);

/// Addresses in one question; more would make the URL of a REST call too long.
const MOST_ADDRESSES: usize = 64;

pub(super) struct RealmPorts {
    known: Arc<Known>,
    /// Fetching all ports.
    fetches: Rounds,
    /// Asking again about some addresses.
    confirmations: Rounds,
    made: Instant,
    /// Milliseconds after `made`.
    last_asked: AtomicU64,
}

/// What the rounds work on.
struct Known {
    realm: Realm,
    source: Arc<dyn PortSource>,
    lifetime: Duration,
    snapshot: ArcSwapOption<Snapshot>,
    /// Whether something changed in the host that the snapshot cannot know.
    distrusted: AtomicBool,
    to_confirm: Mutex<HashSet<IpAddr>>,
}

impl RealmPorts {
    pub(super) fn new(
        realm: Realm,
        source: Arc<dyn PortSource>,
        lifetime: Duration,
        runtime: Handle,
    ) -> Self {
        let known = Arc::new(Known {
            realm,
            source,
            lifetime,
            snapshot: ArcSwapOption::empty(),
            distrusted: AtomicBool::new(false),
            to_confirm: Mutex::default(),
        });
        let (fetched, confirmed) = (known.clone(), known.clone());
        let fetch = move || -> Asking<'static, ()> {
            let known = fetched.clone();
            Box::pin(async move { known.fetch().await })
        };
        let confirm = move || -> Asking<'static, ()> {
            let known = confirmed.clone();
            Box::pin(async move { known.confirm().await })
        };
        Self {
            known,
            fetches: Rounds::new(Box::new(fetch), PACE, runtime.clone()),
            confirmations: Rounds::new(Box::new(confirm), Duration::ZERO, runtime),
            made: Instant::now(),
            last_asked: AtomicU64::new(0),
        }
    }

    /// Since the last request.
    pub(super) fn idle(&self) -> Duration {
        let last_asked = Duration::from_millis(self.last_asked.load(Ordering::Relaxed));
        self.made.elapsed().saturating_sub(last_asked)
    }

    pub(super) fn sight(&self, requester: &Requester) -> Option<Sighting> {
        let now = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_asked.store(now, Ordering::Relaxed);
        let snapshot = self.known.snapshot.load();
        let snapshot = snapshot.as_ref()?;
        let age = snapshot.taken.elapsed();
        // Guests that go on asking find it renewed before it expires.
        if age > self.known.lifetime * 3 / 4 {
            self.fetches.begin();
        }
        Some(self.sighting(requester, snapshot))
    }

    fn sighting(&self, requester: &Requester, snapshot: &Snapshot) -> Sighting {
        let address = requester.address.to_canonical();
        let mac = mac_to_find(requester);
        let expired = snapshot.taken.elapsed() > self.known.lifetime || self.known.distrusted();
        let confirmed = |mac| snapshot.confirms(address, mac);
        let certainty = match requester.mac {
            _ if expired => Certainty::Expired,
            Some(mac) if confirmed(mac) => Certainty::Sure,
            _ => Certainty::Current,
        };
        let by_address = snapshot.with_address(address);
        let rounds = match requester.mac {
            None if !is_known_by_mac(requester, by_address) => &self.confirmations,
            _ => &self.fetches,
        };
        Sighting {
            by_address: by_address.to_vec(),
            by_mac: mac.map_or(&[][..], |mac| snapshot.with_mac(mac)).to_vec(),
            certainty,
            failing: rounds.in_trouble(),
        }
    }

    pub(super) async fn renew(&self, requester: &Requester) -> Result<(), ResolveError> {
        let current = self.known.snapshot.load_full();
        let Some(current) = current.filter(|_| !self.known.distrusted()) else {
            return self.fetches.this().await;
        };
        let address = requester.address.to_canonical();
        let sighting = self.sighting(requester, &current);
        match (judge(requester, &sighting).doubt, requester.mac) {
            // Somebody else's question was answered meanwhile.
            (None, _) => Ok(()),
            // Only the age is in doubt, so an answer that is on its way will do.
            (Some(Doubt::Expired), _) => self.fetches.this().await,
            // Only the address speaks for the port: each request is confirmed, and
            // those that come together in one question.
            (Some(_), None) if !sighting.by_address.is_empty() => {
                self.known.ask_about(address);
                self.confirmations.next().await
            }
            (Some(Doubt::OtherMac), Some(mac)) => {
                self.fetches.next().await?;
                if let Some(renewed) = &*self.known.snapshot.load() {
                    renewed.confirm(address, mac);
                }
                Ok(())
            }
            (Some(_), _) => self.fetches.next().await,
        }
    }

    /// Takes what is known for expired.
    pub(super) fn distrust(&self) {
        self.known.distrusted.store(true, Ordering::Release);
    }
}

impl Known {
    fn distrusted(&self) -> bool {
        self.distrusted.load(Ordering::Acquire)
    }

    fn ask_about(&self, address: IpAddr) {
        let to_confirm = self.to_confirm.lock();
        let mut to_confirm = to_confirm.unwrap_or_else(PoisonError::into_inner);
        to_confirm.insert(address);
    }

    async fn fetch(&self) -> Result<(), ResolveError> {
        let taken = Instant::now();
        let distrusted = self.distrusted.swap(false, Ordering::AcqRel);
        match self.fetch_all().await {
            Ok((networks, ports)) => {
                let snapshot = Snapshot::new(networks, taken, ports);
                self.snapshot.store(Some(Arc::new(snapshot)));
                Ok(())
            }
            Err(error) => {
                self.distrusted.fetch_or(distrusted, Ordering::AcqRel);
                Err(error)
            }
        }
    }

    async fn fetch_all(&self) -> Result<(Vec<String>, Vec<Port>), ResolveError> {
        let networks = match &self.realm {
            Realm::Router(router) => self.source.router_networks(router).await?,
            Realm::Network(network) => vec![network.clone()],
        };
        if networks.is_empty() {
            return Ok((networks, Vec::new()));
        }
        let query = PortQuery {
            networks,
            addresses: Vec::new(),
        };
        let ports = self.source.ports(&query).await?;
        Ok((query.networks, ports))
    }

    async fn confirm(&self) -> Result<(), ResolveError> {
        let addresses: Vec<_> = {
            let to_confirm = self.to_confirm.lock();
            let mut to_confirm = to_confirm.unwrap_or_else(PoisonError::into_inner);
            to_confirm.drain().collect()
        };
        let Some(snapshot) = self.snapshot.load_full() else {
            return Ok(());
        };
        for addresses in addresses.chunks(MOST_ADDRESSES) {
            let query = PortQuery {
                networks: snapshot.networks.clone(),
                addresses: addresses.to_vec(),
            };
            let ports = self.source.ports(&query).await?;
            self.snapshot.rcu(|current| {
                let current = current.as_ref()?;
                Some(Arc::new(current.with(addresses, ports.clone())))
            });
        }
        Ok(())
    }
}
