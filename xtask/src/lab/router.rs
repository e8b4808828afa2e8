//! A router's namespace, as Neutron's l3-agent makes it.

use std::net::Ipv4Addr;

use anyhow::Result;

use super::namespace::Namespace;
use super::unique;

/// The address that guests ask.
pub const VIP: &str = "169.254.169.254";

/// Neutron's `metadata_port`.
pub const PROXY_PORT: u16 = 9697;

/// `qrouter-<id>` with Neutron's sysctls and no interface yet.
#[derive(Debug)]
pub struct Router {
    id: String,
    namespace: Namespace,
}

impl Router {
    /// A router with a random id.
    ///
    /// # Errors
    /// When the namespace cannot be made.
    pub fn create() -> Result<Self> {
        Self::with_id(&unique::uuid()?)
    }

    /// A router with this id.
    ///
    /// # Errors
    /// When there is one already, or the namespace cannot be made.
    pub fn with_id(id: &str) -> Result<Self> {
        let namespace = Namespace::create(&format!("qrouter-{id}"))?;
        for (key, value) in [
            ("ipv4/ip_forward", "1"),
            ("ipv4/conf/all/arp_ignore", "1"),
            ("ipv4/conf/all/arp_announce", "2"),
        ] {
            namespace.sysctl(key, value)?;
        }
        Ok(Self {
            id: id.to_owned(),
            namespace,
        })
    }

    /// A router whose namespace somebody else made and keeps.
    #[must_use]
    pub fn of_somebody(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            namespace: Namespace::of_somebody(&format!("qrouter-{id}")),
        }
    }

    /// Has the kernel tell nobody when all that is a metadatad's is taken from an interface:
    /// the hook stays for another's filters, and there is no IPv6.
    ///
    /// # Errors
    /// When there is a hook already.
    pub fn hush(&self, interface: &str) -> Result<()> {
        self.namespace.sysctl("ipv6/conf/all/disable_ipv6", "1")?;
        let inside = |line: &str| self.namespace.sh(line).map(drop);
        inside(&format!("tc qdisc add dev {interface} clsact"))?;
        // After ours, which passes on what is its own.
        let filter = "pref 99 protocol ip u32 match u32 0 0 flowid 1:1";
        inside(&format!("tc filter add dev {interface} ingress {filter}"))?;
        inside(&format!("tc filter add dev {interface} egress {filter}"))
    }

    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Makes the tenant-facing end of a cable whose other end is `eth0` in
    /// `far`; both ends are up. Returns the name, `qr-` and eleven characters.
    ///
    /// # Errors
    /// When the pair cannot be made.
    pub fn cable(&self, far: &Namespace, far_mac: &str, cidr: &str) -> Result<String> {
        let port = unique::uuid()?;
        let name = format!("qr-{}", port.chars().take(11).collect::<String>());
        let inside = &self.namespace;
        inside.ip(&format!(
            "link add {name} type veth peer name eth0 address {far_mac} netns {}",
            far.name()
        ))?;
        inside.ip(&format!("address add {cidr} dev {name}"))?;
        inside.ip(&format!("link set {name} up"))?;
        far.ip("link set eth0 up")?;
        Ok(name)
    }

    /// Makes tenant-facing interfaces behind which there is nobody.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn idle_interfaces(&self, count: usize) -> Result<()> {
        let add = |number| format!("link add qr-{number:08x}-00 up type bridge");
        (0..count).try_for_each(|number| self.namespace.ip(&add(number)).map(drop))
    }

    /// The rules by which Neutron steers requests to its haproxy, as
    /// `iptables-save` prints them on a network node.
    ///
    /// # Errors
    /// When iptables refuses one.
    pub fn add_neutron_rules(&self) -> Result<()> {
        let to_vip = format!("-d {VIP}/32 -i qr-+ -p tcp -m tcp --dport 80");
        let inside = &self.namespace;
        for rule in [
            format!("-t mangle -A PREROUTING {to_vip} -j MARK --set-xmark 0x1/0xffff"),
            "-t filter -A INPUT -m mark --mark 0x1/0xffff -j ACCEPT".to_owned(),
            format!("-t filter -A INPUT -p tcp -m tcp --dport {PROXY_PORT} -j DROP"),
            format!("-t nat -A PREROUTING {to_vip} -j REDIRECT --to-ports {PROXY_PORT}"),
        ] {
            inside.sh(&format!("iptables -w {rule}"))?;
        }
        Ok(())
    }
}

/// An address with its network, for example 17.17.17.5/24, and the router's
/// address there.
#[derive(Clone, Copy, Debug)]
pub struct Subnet {
    pub guest: Ipv4Addr,
    pub gateway: Ipv4Addr,
    pub prefix: u8,
}

impl Subnet {
    /// The classic tutorial's.
    pub const TUTORIAL: Self = Self {
        guest: Ipv4Addr::new(17, 17, 17, 5),
        gateway: Ipv4Addr::new(17, 17, 17, 1),
        prefix: 24,
    };
}
