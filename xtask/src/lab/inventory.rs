//! Instances for the inventory file of the embedded API.

use std::fmt::Write;
use std::net::Ipv4Addr;

use anyhow::Result;

use super::guest::Guest;
use super::network::Network;
use super::router::Router;
use super::unique;

/// An instance with one port.
#[derive(Clone, Debug)]
pub struct Instance {
    pub uuid: String,
    pub project_id: String,
    pub name: String,
    pub meta: Vec<(String, String)>,
    /// Names and keys.
    pub public_keys: Vec<(String, String)>,
    pub user_data: Option<String>,
    /// Empty without a router.
    router_id: String,
    network_id: String,
    mac: String,
    address: Ipv4Addr,
}

impl Instance {
    /// The instance that owns `guest`'s port.
    ///
    /// # Errors
    /// When the kernel gives no random ids.
    pub fn of(guest: &Guest, router: &Router, name: &str) -> Result<Self> {
        Self::at(router.id(), guest.address, &guest.mac, name)
    }

    /// The instance that owns an address behind a router, present or not.
    ///
    /// # Errors
    /// When the kernel gives no random ids.
    pub fn at(router_id: &str, address: Ipv4Addr, mac: &str, name: &str) -> Result<Self> {
        Ok(Self {
            uuid: unique::uuid()?,
            project_id: unique::uuid()?.replace('-', ""),
            name: name.to_owned(),
            meta: Vec::new(),
            public_keys: Vec::new(),
            user_data: None,
            router_id: router_id.to_owned(),
            network_id: unique::uuid()?,
            mac: mac.to_owned(),
            address,
        })
    }

    /// The instance that owns `guest`'s port on a network without a router.
    ///
    /// # Errors
    /// When the kernel gives no random ids.
    pub fn on_network(guest: &Guest, network: &Network, name: &str) -> Result<Self> {
        let instance = Self::at("", guest.address, &guest.mac, name)?;
        Ok(instance.on(network))
    }

    /// On this network, with others.
    #[must_use]
    pub fn on(mut self, network: &Network) -> Self {
        self.network_id.clone_from(&network.id);
        self
    }

    fn write(&self, file: &mut String) -> Result<()> {
        writeln!(file, "[[instance]]")?;
        write_value(file, "uuid", &self.uuid)?;
        write_value(file, "project_id", &self.project_id)?;
        write_value(file, "name", &self.name)?;
        write_value(file, "hostname", &self.name)?;
        if let Some(user_data) = &self.user_data {
            write_value(file, "user_data", user_data)?;
        }
        writeln!(file, "[instance.meta]")?;
        for (key, value) in &self.meta {
            write_value(file, key, value)?;
        }
        writeln!(file, "[instance.public_keys]")?;
        for (name, key) in &self.public_keys {
            write_value(file, name, key)?;
        }
        writeln!(file, "[[instance.port]]")?;
        write_value(file, "network_id", &self.network_id)?;
        write_value(file, "mac_address", &self.mac)?;
        if !self.router_id.is_empty() {
            writeln!(file, "router_ids = [{}]", quoted(&self.router_id)?)?;
        }
        writeln!(
            file,
            "fixed_ips = [{}]\n",
            quoted(&self.address.to_string())?
        )?;
        Ok(())
    }
}

/// The inventory file of these instances.
///
/// # Errors
/// When a value cannot be written.
pub fn file(instances: &[Instance]) -> Result<String> {
    let mut file = String::new();
    for instance in instances {
        instance.write(&mut file)?;
    }
    Ok(file)
}

fn write_value(file: &mut String, key: &str, value: &str) -> Result<()> {
    Ok(writeln!(file, "{} = {}", quoted(key)?, quoted(value)?)?)
}

/// JSON strings are TOML basic strings.
fn quoted(text: &str) -> Result<String> {
    Ok(serde_json::to_string(text)?)
}
