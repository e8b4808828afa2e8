//! The signature that lets Nova trust an `X-Instance-ID`: what the agent writes
//! and the embedded API checks.

use std::fmt::{self, Write};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Signs an instance id: HMAC-SHA256 under `secret`, 64 lower-case hexadecimal
/// digits. An empty secret signs too, as Neutron and Nova have it.
pub fn sign(secret: &[u8], instance_id: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret)
        .unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"));
    mac.update(instance_id.as_bytes());
    mac.finalize()
        .into_bytes()
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _: fmt::Result = write!(hex, "{byte:02x}");
            hex
        })
}

/// Whether `signature` is what [`sign`] gives. The time this takes says nothing
/// about the right one (CVE-2014-3517).
pub fn verify(secret: &[u8], instance_id: &str, signature: &str) -> bool {
    sign(secret, instance_id)
        .as_bytes()
        .ct_eq(signature.as_bytes())
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTANCE: &str = "8a1c6f9e-3f7b-4d0a-9a53-0f1d2c3b4a59";

    #[test]
    fn signs_as_rfc_4231_case_2_has_it() {
        assert_eq!(
            sign(b"Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn signs_under_an_empty_secret_and_under_one_longer_than_a_block() {
        for secret in [&b""[..], &[b'k'; 200][..]] {
            let signature = sign(secret, INSTANCE);
            assert_eq!(signature.len(), 64);
            assert!(verify(secret, INSTANCE, &signature));
        }
    }

    #[test]
    fn refuses_another_id_another_secret_and_other_spellings() {
        let signature = sign(b"secret", INSTANCE);
        assert!(!verify(b"secret", "another", &signature));
        assert!(!verify(b"Secret", INSTANCE, &signature));
        assert!(!verify(b"secret", INSTANCE, &signature.to_uppercase()));
        assert!(!verify(b"secret", INSTANCE, &signature[..63]));
        assert!(!verify(b"secret", INSTANCE, ""));
    }
}
