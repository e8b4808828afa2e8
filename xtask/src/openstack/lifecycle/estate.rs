//! Networks and routers that scenarios make through Neutron's API, and remove.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::super::{api::Api, fabric};
use super::lab::Lab;

/// What is ours in the cloud has names that begin so.
const PREFIX: &str = "life-";

/// A network with a subnet or, before [`Network::address`], without one.
#[derive(Clone, Debug)]
pub(super) struct Network {
    pub(super) id: String,
}

impl Network {
    /// A network without a subnet: no agent makes anything of it yet.
    pub(super) fn make(lab: &Lab<'_>, name: &str) -> Result<Self> {
        let wanted = json!({ "name": format!("{PREFIX}{name}"), "project_id": lab.project });
        let id = id(&lab.api.create("network", &wanted)?)?;
        fabric::make_bridge(&id)?;
        Ok(Self { id })
    }

    /// Gives it a subnet, whose id is returned.
    pub(super) fn address(&self, lab: &Lab<'_>, cidr: &str, has_dhcp: bool) -> Result<String> {
        let version = if cidr.contains(':') { 6 } else { 4 };
        let wanted = json!({
            "network_id": self.id, "project_id": lab.project, "cidr": cidr,
            "ip_version": version, "enable_dhcp": has_dhcp,
        });
        id(&lab.api.create("subnet", &wanted)?)
    }

    /// The dhcp-agent's namespace of it.
    pub(super) fn dhcp_namespace(&self) -> String {
        format!("qdhcp-{}", self.id)
    }
}

/// A router.
#[derive(Clone, Debug)]
pub(super) struct Router {
    pub(super) id: String,
}

impl Router {
    /// A router without interfaces. `kind` holds further fields, for example `ha`.
    pub(super) fn make(lab: &Lab<'_>, name: &str, kind: &Value) -> Result<Self> {
        let mut wanted = json!({
            "name": format!("{PREFIX}{name}"), "project_id": lab.project,
            "ha": false, "distributed": false,
        });
        if let (Some(wanted), Some(kind)) = (wanted.as_object_mut(), kind.as_object()) {
            wanted.extend(kind.clone());
        }
        let id = id(&lab.api.create("router", &wanted)?)?;
        Ok(Self { id })
    }

    pub(super) fn namespace(&self) -> String {
        format!("qrouter-{}", self.id)
    }

    /// Connects it to a subnet by the subnet's gateway address.
    pub(super) fn connect(&self, lab: &Lab<'_>, subnet: &str) -> Result<()> {
        let path = format!("/routers/{}/add_router_interface", self.id);
        let wanted = json!({ "subnet_id": subnet });
        lab.api.put(&path, &wanted).map(drop)
    }

    pub(super) fn disconnect(&self, lab: &Lab<'_>, subnet: &str) -> Result<()> {
        let path = format!("/routers/{}/remove_router_interface", self.id);
        let wanted = json!({ "subnet_id": subnet });
        lab.api.put(&path, &wanted).map(drop)
    }

    pub(super) fn delete(&self, lab: &Lab<'_>) -> Result<()> {
        lab.api.delete(&format!("/routers/{}", self.id))
    }
}

/// Removes everything of ours from the cloud; the agents then remove their namespaces.
pub(super) fn sweep(api: &Api) -> Result<()> {
    for router in ours(api, "routers")? {
        let id = id(&router)?;
        let path = format!("/ports?device_id={id}&fields=id&fields=device_owner");
        for port in items(&api.get(&path)?, "ports") {
            let owner = port.get("device_owner").and_then(Value::as_str);
            if owner.is_some_and(|owner| {
                owner.contains("router_interface")
                    || owner.contains("ha_router_replicated_interface")
            }) {
                let body = json!({ "port_id": self::id(port)? });
                api.put(&format!("/routers/{id}/remove_router_interface"), &body)?;
            }
        }
        api.delete(&format!("/routers/{id}"))?;
    }
    for network in ours(api, "networks")? {
        let id = id(&network)?;
        let path = format!("/ports?network_id={id}&fields=id&fields=device_owner");
        for port in items(&api.get(&path)?, "ports") {
            if port.get("device_owner").and_then(Value::as_str) == Some("compute:nova") {
                api.delete(&format!("/ports/{}", self::id(port)?))?;
            }
        }
        api.delete(&format!("/networks/{id}"))?;
    }
    Ok(())
}

fn ours(api: &Api, collection: &str) -> Result<Vec<Value>> {
    let all = api.get(&format!("/{collection}?fields=id&fields=name"))?;
    let is_ours = |item: &&Value| {
        let name = item.get("name").and_then(Value::as_str);
        name.is_some_and(|name| name.starts_with(PREFIX))
    };
    Ok(items(&all, collection)
        .iter()
        .filter(is_ours)
        .cloned()
        .collect())
}

/// The members of a collection.
pub(super) fn items<'a>(answer: &'a Value, collection: &str) -> &'a [Value] {
    let items = answer.get(collection).and_then(Value::as_array);
    items.map(Vec::as_slice).unwrap_or_default()
}

/// A text field.
pub(super) fn text(value: &Value, field: &str) -> Result<String> {
    let text = value.get(field).and_then(Value::as_str);
    let text = text.with_context(|| format!("no {field} in {value}"))?;
    Ok(text.to_owned())
}

fn id(value: &Value) -> Result<String> {
    text(value, "id")
}
