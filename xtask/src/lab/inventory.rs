//! Instances for the inventory file of the embedded API.

use std::fmt::Write;

use anyhow::Result;

use super::guest::Guest;
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
    router_id: String,
    network_id: String,
    /// The port's; an inventory may leave it out.
    pub mac: Option<String>,
    pub address: String,
}

impl Instance {
    /// The instance that owns `guest`'s port.
    ///
    /// # Errors
    /// When the kernel gives no random ids.
    pub fn of(guest: &Guest, router: &Router, name: &str) -> Result<Self> {
        Ok(Self {
            uuid: unique::uuid()?,
            project_id: unique::uuid()?.replace('-', ""),
            name: name.to_owned(),
            meta: Vec::new(),
            public_keys: Vec::new(),
            user_data: None,
            router_id: router.id().to_owned(),
            network_id: unique::uuid()?,
            mac: Some(guest.mac.clone()),
            address: guest.address.to_string(),
        })
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
        if let Some(mac) = &self.mac {
            write_value(file, "mac_address", mac)?;
        }
        writeln!(file, "router_ids = [{}]", quoted(&self.router_id)?)?;
        writeln!(file, "fixed_ips = [{}]\n", quoted(&self.address)?)?;
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
