//! What Neutron answers: a page of ports.

use std::net::IpAddr;

use hyper::StatusCode;
use serde::Deserialize;

use super::error::Cause;
use super::query;
use super::site::Answer;
use crate::identity::Port;

/// The ports of one answer.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) ports: Vec<Listed>,
    /// Marks the next page, if there is one.
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
struct Body {
    ports: Vec<Listed>,
    #[serde(default)]
    ports_links: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    rel: String,
    href: String,
}

/// A port as Neutron writes it. Fields that were not asked for are absent.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    id: String,
    pub(super) network_id: String,
    mac_address: Option<String>,
    #[serde(default)]
    fixed_ips: Vec<FixedIp>,
    #[serde(default)]
    device_id: String,
    project_id: Option<String>,
    tenant_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct FixedIp {
    ip_address: IpAddr,
}

impl From<Listed> for Port {
    fn from(listed: Listed) -> Self {
        let project = listed.project_id.or(listed.tenant_id);
        Self {
            id: listed.id,
            network_id: listed.network_id,
            mac: listed.mac_address.and_then(|mac| mac.parse().ok()),
            addresses: listed.fixed_ips.iter().map(|ip| ip.ip_address).collect(),
            device_id: listed.device_id.into(),
            project_id: project.unwrap_or_default().into(),
        }
    }
}

/// The page in Neutron's answer.
pub(super) fn page(answer: &Answer) -> Result<Page, Cause> {
    if let Some(advice) = advice(answer.status) {
        return Err(Cause::Refused {
            status: answer.status,
            advice: advice.to_owned(),
        });
    }
    let body: Body = serde_json::from_slice(&answer.body).map_err(Cause::garbage)?;
    let next = body.ports_links.iter().find(|link| link.rel == "next");
    let marker = next.map(|link| {
        let marker = query::marker(&link.href).map(ToOwned::to_owned);
        marker.ok_or_else(|| Cause::garbage("the link to the next page has no marker"))
    });
    Ok(Page {
        ports: body.ports,
        next: marker.transpose()?,
    })
}

fn advice(status: StatusCode) -> Option<&'static str> {
    Some(match status.as_u16() {
        200..=299 => return None,
        401 => {
            "it does not accept Keystone's tokens: check [keystone_authtoken] in neutron.conf, and \
             that [neutron] region_name is its region"
        }
        403 => {
            "its policy does not let this user list ports: give the user in [neutron] the role \
             admin or service"
        }
        300..=399 | 404 | 405 | 410 => {
            "there is no Neutron: check its endpoint in Keystone's catalog, or [neutron] \
             endpoint_override"
        }
        429 | 500..=599 => "Neutron, or what stands before it, has a fault: see its log",
        _ => "see Neutron's log",
    })
}
