//! Values that nobody is to see.

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::wiped_base64;

/// A configured secret: compared and used, never printed, and wiped from memory when it
/// is dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub String);

impl Zeroize for Secret {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl ZeroizeOnDrop for Secret {}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        wiped_base64::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::from_utf8(wiped_base64::deserialize(deserializer)?);
        text.map(Self)
            .map_err(|error| D::Error::custom(error.utf8_error()))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() {
            "(empty)"
        } else {
            "(hidden)"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_never_shown() {
        assert_eq!(format!("{:?}", Secret("s3cret".into())), "(hidden)");
        assert_eq!(format!("{:?}", Secret::default()), "(empty)");
    }

    #[test]
    fn wiping_leaves_nothing_of_it() {
        let mut secret = Secret("s3cret".into());
        secret.zeroize();
        assert!(secret.0.is_empty());
        // SAFETY: the string is empty and still owns six bytes, which were written.
        let left = unsafe { std::slice::from_raw_parts(secret.0.as_ptr(), 6) };
        assert_eq!(left, [0; 6]);
    }
}
