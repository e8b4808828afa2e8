//! An embedded nova-api-metadata: what Nova answers its metadata agents, from an
//! inventory file. What to answer is decided without I/O in [`respond`]; only
//! [`password`] touches a disk and [`server`] a socket.

mod accept;
mod admission;
mod devices;
mod ec2;
mod meta_data;
mod network_data;
mod openstack;
mod password;
mod path;
mod reply;
mod respond;
pub mod server;

use std::sync::Arc;

use arc_swap::ArcSwap;

pub use password::PasswordStore;

use crate::config::Secret;
use crate::inventory::{Inventory, InventoryInstance};

/// The metadata API of one inventory.
pub struct Api {
    inventory: Arc<ArcSwap<Inventory>>,
    passwords: PasswordStore,
    settings: Settings,
}

/// What Nova reads from its configuration.
struct Settings {
    shared_secret: Secret,
    dhcp_domain: String,
}

impl Api {
    /// `inventory` may be replaced at any time: each request sees one whole state.
    /// `dhcp_domain` may be empty.
    pub fn new(
        inventory: Arc<ArcSwap<Inventory>>,
        passwords: PasswordStore,
        shared_secret: Secret,
        dhcp_domain: String,
    ) -> Self {
        if shared_secret.0.is_empty() {
            tracing::warn!(
                "metadata_proxy_shared_secret is empty: whoever reaches the metadata API gets any instance's metadata"
            );
        }
        Self {
            inventory,
            passwords,
            settings: Settings {
                shared_secret,
                dhcp_domain,
            },
        }
    }
}

/// The host name with `dhcp_domain`, unless it has a domain of its own.
fn full_hostname(instance: &InventoryInstance, dhcp_domain: &str) -> String {
    let hostname = &instance.hostname;
    if dhcp_domain.is_empty() || hostname.contains('.') {
        hostname.clone()
    } else {
        format!("{hostname}.{dhcp_domain}")
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
mod tests;
