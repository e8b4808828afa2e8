//! Where a host is: what its name says, or said when it was last heard of.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::names;

/// A name server that is silent keeps a look-up for 5 s and more
/// (resolv.conf(5)); with addresses at hand that is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// A look-up that nobody waits for keeps its thread until it ends.
const PAUSE: Duration = Duration::from_secs(10);

/// An address that did not answer goes last for so long: the first of several
/// costs each new connection seconds when its host is gone.
const LAST_FOR: Duration = Duration::from_secs(60);

/// The addresses of one host. A cloud without name service has upstreams that
/// serve, so those which a name had are used until it has others.
#[derive(Debug)]
pub(super) struct Addresses {
    host: String,
    port: u16,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    addresses: Vec<SocketAddr>,
    /// When the name is to be looked up again; `None`: each time.
    again: Option<Instant>,
    /// Which did not answer, and when.
    silent: Vec<(SocketAddr, Instant)>,
}

impl Addresses {
    pub(super) fn new(host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
            known: Mutex::default(),
        }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// In the order in which they are to be tried.
    pub(super) async fn get(&self) -> io::Result<Vec<SocketAddr>> {
        match self.host.parse::<IpAddr>() {
            Ok(address) => Ok(vec![SocketAddr::new(address, self.port)]),
            Err(_) => Ok(self.in_order(self.by(self.look_up()).await?)),
        }
    }

    /// This one did not answer.
    pub(super) fn is_silent(&self, address: SocketAddr) {
        let silent = &mut self.known().silent;
        silent.retain(|(other, since)| *other != address && since.elapsed() < LAST_FOR);
        silent.push((address, Instant::now()));
    }

    /// Those that answered, or were not tried, before the silent ones.
    pub(super) fn in_order(&self, mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let silent = &self.known().silent;
        let is_silent = |address: &SocketAddr| {
            let mut silent = silent.iter();
            silent.any(|(other, since)| other == address && since.elapsed() < LAST_FOR)
        };
        addresses.sort_by_key(is_silent);
        addresses
    }

    async fn look_up(&self) -> io::Result<Vec<SocketAddr>> {
        let found = names::look_up(&self.host, self.port).await?;
        match found.is_empty() {
            true => Err(io::Error::from(io::ErrorKind::NotFound)),
            false => Ok(found),
        }
    }

    async fn by(
        &self,
        look_up: impl Future<Output = io::Result<Vec<SocketAddr>>>,
    ) -> io::Result<Vec<SocketAddr>> {
        let known = {
            let known = self.known();
            if known.again.is_some_and(|again| Instant::now() < again) {
                return Ok(known.addresses.clone());
            }
            known.addresses.clone()
        };
        let found = match known.is_empty() {
            true => return self.learn(look_up.await?),
            false => timeout(PATIENCE, look_up).await,
        };
        match found.unwrap_or_else(|late| Err(late.into())) {
            Ok(found) => self.learn(found),
            Err(error) => {
                tracing::warn!(host = %self.host, %error, "the name cannot be resolved now; using the addresses that it had");
                self.known().again = Some(Instant::now() + PAUSE);
                Ok(known)
            }
        }
    }

    fn learn(&self, found: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
        let mut known = self.known();
        known.addresses.clone_from(&found);
        known.again = None;
        Ok(found)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    fn addresses() -> Addresses {
        Addresses::new("nova.example", 80)
    }

    fn found(last: u8) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![SocketAddr::from(([192, 0, 2, last], 80))])
    }

    fn failed() -> io::Result<Vec<SocketAddr>> {
        Err(io::Error::other("no name server"))
    }

    #[tokio::test]
    async fn a_literal_is_its_own_address() {
        for host in ["192.0.2.1", "2001:db8::1"] {
            let address = SocketAddr::new(host.parse().unwrap(), 80);
            assert_eq!(Addresses::new(host, 80).get().await.unwrap(), [address]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_name_service_the_addresses_of_before_are_used() {
        let addresses = addresses();
        assert!(addresses.by(ready(failed())).await.is_err());
        let first = addresses.by(ready(found(1))).await.unwrap();
        assert_eq!(addresses.by(ready(failed())).await.unwrap(), first);
        tokio::time::advance(PAUSE).await;
        let started = Instant::now();
        assert_eq!(addresses.by(pending()).await.unwrap(), first);
        assert_eq!(started.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_did_not_answer_goes_last_for_a_while() {
        let addresses = addresses();
        let all: Vec<_> = (1..4).flat_map(|last| found(last).unwrap()).collect();
        let order = || addresses.in_order(all.clone());
        assert_eq!(order(), all);
        addresses.is_silent(all[0]);
        assert_eq!(order(), [all[1], all[2], all[0]]);
        addresses.is_silent(all[1]);
        assert_eq!(order(), [all[2], all[0], all[1]]);
        tokio::time::advance(LAST_FOR).await;
        assert_eq!(order(), all);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_name_server_is_asked_now_and_then() {
        let addresses = addresses();
        let first = addresses.by(ready(found(1))).await.unwrap();
        addresses.by(pending()).await.unwrap();
        assert_eq!(addresses.by(ready(found(2))).await.unwrap(), first);
        tokio::time::advance(PAUSE).await;
        let second = addresses.by(ready(found(2))).await.unwrap();
        assert_eq!(second, found(2).unwrap());
        // From then on each time, as before.
        let third = addresses.by(ready(found(3))).await.unwrap();
        assert_eq!(third, found(3).unwrap());
    }
}
