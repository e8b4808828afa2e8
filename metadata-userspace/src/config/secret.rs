//! Values that nobody is to see.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A configured secret: compared and used, never printed, and wiped from memory when it
/// is dropped.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
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
