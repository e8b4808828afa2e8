//! The instances and ports of a cloud that is written down in a TOML file: what
//! Neutron and Nova know elsewhere. `examples/inventory.toml` shows every field.

mod beside;
mod blob;
mod check;
mod cidr;
mod device;
mod ec2_id;
mod error;
mod file;
mod index;
mod instance;
mod port;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

pub use blob::Blob;
pub use cidr::{Cidr, InvalidCidr};
pub use device::{Bus, Device};
pub use ec2_id::stable_id;
pub use error::{Fault, InventoryError};
pub use index::Scope;
pub use instance::{InjectedFile, InventoryInstance, PublicKey};
pub use port::{Assignment, FixedIp, InventoryPort, Route};

use crate::identity::{MacAddr, Port};
use crate::rights::Way;
use beside::Beside;
use index::Index;

/// A checked inventory and the index that makes each lookup a hash away. As JSON
/// it is the plain list of instances.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    instances: Vec<InventoryInstance>,
    index: Index,
}

impl Inventory {
    /// Reads the file at `path` and the files it names, which are looked for
    /// beside it.
    ///
    /// # Errors
    /// The file cannot be read or is no TOML, or all that is wrong with what it says.
    pub fn load(path: &Path) -> Result<Self, InventoryError> {
        let unreadable = |source| InventoryError::Read {
            path: path.to_owned(),
            source,
        };
        let way = Way::to(path).map_err(unreadable)?;
        let text = way.act(|path| std::fs::read_to_string(path));
        let text = text.map_err(unreadable)?;
        let file: file::InventoryFile =
            toml::from_str(&text).map_err(|source| InventoryError::Syntax {
                path: path.to_owned(),
                source,
            })?;
        let beside = Beside {
            directory: path.parent().unwrap_or(Path::new("")),
            whose: way.whose(),
        };
        check::check(file, &beside)
            .map(Self::from)
            .map_err(|faults| InventoryError::Faults {
                path: path.to_owned(),
                faults,
            })
    }

    pub fn instances(&self) -> &[InventoryInstance] {
        &self.instances
    }

    pub fn instance(&self, uuid: Uuid) -> Option<&InventoryInstance> {
        self.instances.get(self.index.instance(uuid)?)
    }

    /// The ports in `scope` that have `address` as a fixed IP.
    pub fn with_address(&self, scope: Scope, address: IpAddr) -> &[Arc<Port>] {
        self.index.with_address(scope, address)
    }

    /// The ports in `scope` that have `mac`.
    pub fn with_mac(&self, scope: Scope, mac: MacAddr) -> &[Arc<Port>] {
        self.index.with_mac(scope, mac)
    }
}

impl From<Vec<InventoryInstance>> for Inventory {
    fn from(instances: Vec<InventoryInstance>) -> Self {
        let index = Index::new(&instances);
        Self { instances, index }
    }
}

impl Serialize for Inventory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.instances.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Inventory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
