//! The numbers behind EC2 ids. Nova counts rows of a table; an inventory has
//! UUIDs only, and ids must survive restarts and edits of the file.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The number in `i-…`, `ami-…` or `r-…` for a UUID.
pub fn stable_id(uuid: Uuid) -> u32 {
    Sha256::digest(uuid.as_bytes())
        .iter()
        .take(4)
        .fold(0, |number, &byte| (number << 8) | u32::from(byte))
}
