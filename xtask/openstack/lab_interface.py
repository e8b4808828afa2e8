"""Plugs Neutron's interfaces into Linux bridges of a namespace of their own.

The kernel may lack Open vSwitch. Only plugging is replaced: addresses, rules and
proxies stay Neutron's.
"""

import os
import subprocess

from neutron.agent import rpc
from neutron.agent.l3 import ha_router, namespace_manager
from neutron.agent.linux import interface
from neutron_lib import context
from neutron_lib.agent import topics
from oslo_config import cfg

SWITCH = "lab-switch"


def _ip(*arguments):
    subprocess.run(("ip", *arguments), check=True, capture_output=True)


def _bridge(network_id):
    """The network's bridge, whoever made it; interface names have 15 characters."""
    name = ("b" + network_id)[:14]
    there = ("ip", "-n", SWITCH, "link", "add", name, "type", "bridge")
    subprocess.run(there, check=False, capture_output=True)
    _ip("-n", SWITCH, "link", "set", name, "up")
    return name


def _remember(namespace):
    """For `cargo xtask openstack down`, which finds agents' namespaces here."""
    path = os.path.join(cfg.CONF.state_path, "namespaces")
    with open(path, "a", encoding="utf-8") as file:
        file.write(namespace + "\n")


def _report_up(port_id):
    """As Open vSwitch's agent does; keepalived starts only on a port that is up."""
    rpc.PluginApi(topics.PLUGIN).update_device_up(
        context.get_admin_context(), port_id, "ovs-agent-" + cfg.CONF.host, cfg.CONF.host)


class BridgeDriver(interface.LinuxInterfaceDriver):
    """An interface in a namespace, a cable, and the network's bridge."""

    def plug_new(self, network_id, port_id, device_name, mac_address,
                 bridge=None, namespace=None, prefix=None, mtu=None):
        _remember(namespace)
        cable = ("p" + port_id)[:14]
        _ip("-n", namespace, "link", "add", device_name, "address", mac_address,
            "mtu", str(mtu or 1450), "type", "veth", "peer", "name", cable, "netns", SWITCH)
        _ip("-n", SWITCH, "link", "set", cable, "master", _bridge(network_id), "up")
        _ip("-n", namespace, "link", "set", device_name, "up")
        if prefix == ha_router.HA_DEV_PREFIX:
            _report_up(port_id)

    def unplug(self, device_name, bridge=None, namespace=None, prefix=None):
        _ip("-n", namespace, "link", "delete", device_name)


def _keep_strangers(self):
    self._all_namespaces, self._ids_to_keep, self._clean_stale = set(), set(), False
    return self


# At its first sync the l3-agent removes every qrouter-* that it does not know:
# on this machine they may be a test's.
namespace_manager.NamespaceManager.__enter__ = _keep_strangers
