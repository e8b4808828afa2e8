//! One of several whose routers serve the same subnet, so that their guests have the same
//! address.

use anyhow::Result;

use super::guest::Guest;
use super::inventory::Instance;
use super::router::{Router, Subnet};

/// A guest with an instance of its own behind a router of its own.
#[derive(Debug)]
pub struct Tenant {
    pub guest: Guest,
    pub instance: Instance,
    pub router: Router,
}

impl Tenant {
    /// Names its instance so.
    ///
    /// # Errors
    /// When any part of it cannot be made.
    pub fn create(name: &str) -> Result<Self> {
        let router = Router::create()?;
        let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
        let instance = Instance::of(&guest, &router, name)?;
        Ok(Self {
            guest,
            instance,
            router,
        })
    }
}
