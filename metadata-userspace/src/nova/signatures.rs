//! Signatures that were made already.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hyper::header::{HeaderValue, InvalidHeaderValue};

use crate::config::Secret;
use crate::signature::sign;

/// More instances than one host's guests; beyond it the memory starts anew.
const MOST: usize = 4096;

/// Signs ids, each once: a booting guest asks dozens of times, and an HMAC with
/// its hexadecimal text costs as much as reading a request. The signature of an
/// id under one secret never changes.
pub(super) struct Signatures {
    secret: Secret,
    known: Mutex<HashMap<String, HeaderValue>>,
}

impl Signatures {
    pub(super) fn new(secret: Secret) -> Self {
        Self {
            secret,
            known: Mutex::default(),
        }
    }

    pub(super) fn of(&self, instance_id: &str) -> Result<HeaderValue, InvalidHeaderValue> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signature) = known.get(instance_id) {
            return Ok(signature.clone());
        }
        let signature = HeaderValue::try_from(sign(self.secret.0.as_bytes(), instance_id))?;
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(instance_id.to_owned(), signature.clone());
        Ok(signature)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn every_id_has_its_own_signature_however_often_and_however_many() {
        let signatures = Signatures::new(Secret("s3cret".into()));
        for number in (0..MOST * 2).chain(0..3) {
            let id = format!("instance-{number}");
            let signature = signatures.of(&id).unwrap();
            assert_eq!(signature, sign(b"s3cret", &id), "{id}");
        }
        assert!(signatures.known.lock().unwrap().len() <= MOST);
    }
}
