//! What Nova is told of who asks: made once for each guest.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};

use crate::config::Secret;
use crate::identity::Instance;
use crate::sharded::Sharded;
use crate::signature::sign;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_INSTANCE_ID: HeaderName = HeaderName::from_static("x-instance-id");
const X_TENANT_ID: HeaderName = HeaderName::from_static("x-tenant-id");
const X_INSTANCE_ID_SIGNATURE: HeaderName = HeaderName::from_static("x-instance-id-signature");

/// On each thread; beyond it the memory starts anew.
const MOST: usize = 1024;

/// After it the memory starts anew too: guests of an hour ago would keep a megabyte
/// on each thread, and a guest that still asks costs one signature.
const LASTS: Duration = Duration::from_secs(60);

/// Addresses of an instance: of IPv6 it makes as many as it likes.
const MOST_ADDRESSES: usize = 16;

/// Signs ids, each once: a booting guest asks dozens of times, and an HMAC with
/// its hexadecimal text costs as much as reading a request. The signature of an
/// id under one secret never changes, nor does any other header of a guest's requests.
pub(super) struct Signer {
    secret: Secret,
    /// What all requests have.
    common: HeaderMap,
    /// By thread: two that count who holds the same values slow each other down.
    known: Sharded<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    /// Of the first that it remembers.
    since: Option<Instant>,
    of: HashMap<Instance, HashMap<IpAddr, HeaderMap>>,
}

impl Signer {
    /// Its headers are `common` and what says who asks.
    pub(super) fn new(secret: Secret, common: HeaderMap) -> Self {
        Self {
            secret,
            common,
            known: Sharded::default(),
        }
    }

    /// For a request of `instance` from `address`. Copies no text.
    pub(super) fn headers(
        &self,
        instance: &Instance,
        address: IpAddr,
    ) -> Result<HeaderMap, InvalidHeaderValue> {
        self.headers_at(Instant::now(), instance, address)
    }

    fn headers_at(
        &self,
        now: Instant,
        instance: &Instance,
        address: IpAddr,
    ) -> Result<HeaderMap, InvalidHeaderValue> {
        let Some((_, known)) = self.known.own() else {
            return self.signed(instance, address);
        };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        known.forget_the_old(now);
        if let Some(headers) = known.get(instance, address) {
            return Ok(headers.clone());
        }
        let headers = self.signed(instance, address)?;
        known.remember(now, instance, address, headers.clone());
        Ok(headers)
    }

    fn signed(
        &self,
        instance: &Instance,
        address: IpAddr,
    ) -> Result<HeaderMap, InvalidHeaderValue> {
        let signature = sign(self.secret.0.as_bytes(), &instance.id);
        let mut headers = self.common.clone();
        headers.insert(X_FORWARDED_FOR, HeaderValue::try_from(address.to_string())?);
        headers.insert(X_INSTANCE_ID, HeaderValue::from_str(&instance.id)?);
        headers.insert(X_TENANT_ID, HeaderValue::from_str(&instance.project_id)?);
        headers.insert(X_INSTANCE_ID_SIGNATURE, HeaderValue::try_from(signature)?);
        Ok(headers)
    }
}

impl Known {
    fn forget_the_old(&mut self, now: Instant) {
        let old = |since| now.duration_since(since) >= LASTS;
        if self.since.is_some_and(old) {
            *self = Self::default();
        }
    }

    fn get(&self, instance: &Instance, address: IpAddr) -> Option<&HeaderMap> {
        self.of.get(instance)?.get(&address)
    }

    fn remember(&mut self, now: Instant, instance: &Instance, address: IpAddr, headers: HeaderMap) {
        if self.of.len() >= MOST {
            *self = Self::default();
        }
        self.since.get_or_insert(now);
        let addresses = self.of.entry(instance.clone()).or_default();
        if addresses.len() >= MOST_ADDRESSES {
            addresses.clear();
        }
        addresses.insert(address, headers);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer::new(Secret("s3cret".into()), HeaderMap::new())
    }

    fn guest(number: usize) -> (Instance, IpAddr) {
        let instance = Instance {
            id: format!("instance-{number}").into(),
            project_id: format!("project-{}", number % 3).into(),
        };
        let [.., high, low] = number.to_be_bytes();
        (instance, IpAddr::from([10, 0, high, low]))
    }

    #[test]
    fn every_guest_has_its_own_however_often_and_however_many() {
        let signer = signer();
        for number in (0..MOST * 2).chain(0..3) {
            let (instance, address) = guest(number);
            let headers = signer.headers(&instance, address).unwrap();
            let value = |name| headers.get(&name).unwrap();
            assert_eq!(value(X_INSTANCE_ID), &*instance.id);
            assert_eq!(value(X_TENANT_ID), &*instance.project_id);
            assert_eq!(value(X_FORWARDED_FOR), &address.to_string());
            let signature = sign(b"s3cret", &instance.id);
            assert_eq!(value(X_INSTANCE_ID_SIGNATURE), &signature);
        }
        for known in (0..).map_while(|index| signer.known.get(index)) {
            assert!(known.lock().unwrap().of.len() <= MOST);
        }
    }

    #[test]
    fn who_asks_no_more_is_forgotten_when_another_asks_later() {
        let signer = signer();
        let start = Instant::now();
        for number in 0..100 {
            let (instance, address) = guest(number);
            signer.headers_at(start, &instance, address).unwrap();
        }
        let (_, known) = signer.known.own().unwrap();
        assert_eq!(known.lock().unwrap().of.len(), 100);

        let (instance, address) = guest(0);
        let later = start + LASTS;
        let headers = signer.headers_at(later, &instance, address).unwrap();
        assert_eq!(headers.get(X_INSTANCE_ID).unwrap(), &*instance.id);
        assert_eq!(known.lock().unwrap().of.len(), 1);
    }

    #[test]
    fn an_instance_with_many_addresses_takes_little_memory() {
        let (signer, (instance, _)) = (signer(), guest(1));
        for last in 0..=u8::MAX {
            let address = IpAddr::from([10, 0, 0, last]);
            let headers = signer.headers(&instance, address).unwrap();
            assert_eq!(headers.get(X_FORWARDED_FOR).unwrap(), &address.to_string());
        }
        for known in (0..).map_while(|index| signer.known.get(index)) {
            let known = known.lock().unwrap();
            assert!(
                known
                    .of
                    .values()
                    .all(|addresses| addresses.len() <= MOST_ADDRESSES)
            );
        }
    }

    #[test]
    fn projects_of_an_instances_ports_are_not_mistaken_for_each_other() {
        let (signer, (instance, address)) = (signer(), guest(1));
        let other = Instance {
            project_id: "other".into(),
            ..instance.clone()
        };
        for instance in [&instance, &other, &instance] {
            let headers = signer.headers(instance, address).unwrap();
            assert_eq!(headers.get(X_TENANT_ID).unwrap(), &*instance.project_id);
        }
    }
}
