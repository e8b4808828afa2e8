"""Plugs Neutron's interfaces into Linux bridges of a namespace of their own.

The kernel may lack Open vSwitch. Only plugging is replaced: addresses, rules and
proxies stay Neutron's.
"""

import subprocess

from neutron.agent.l3 import namespace_manager
from neutron.agent.linux import interface

SWITCH = "lab-switch"


def _ip(*arguments):
    subprocess.run(("ip", *arguments), check=True, capture_output=True)


class BridgeDriver(interface.LinuxInterfaceDriver):
    """An interface in a namespace, a cable, and the network's bridge."""

    def plug_new(self, network_id, port_id, device_name, mac_address,
                 bridge=None, namespace=None, prefix=None, mtu=None):
        # Interface names have 15 characters; guests' cables use the same bridge.
        cable, bridge = ("p" + port_id)[:14], ("b" + network_id)[:14]
        _ip("-n", namespace, "link", "add", device_name, "address", mac_address,
            "mtu", str(mtu or 1450), "type", "veth", "peer", "name", cable, "netns", SWITCH)
        _ip("-n", SWITCH, "link", "set", cable, "master", bridge, "up")
        _ip("-n", namespace, "link", "set", device_name, "up")

    def unplug(self, device_name, bridge=None, namespace=None, prefix=None):
        _ip("-n", namespace, "link", "delete", device_name)


def _keep_strangers(self):
    self._all_namespaces, self._ids_to_keep, self._clean_stale = set(), set(), False
    return self


# At its first sync the l3-agent removes every qrouter-* that it does not know:
# on this machine they may be a test's.
namespace_manager.NamespaceManager.__enter__ = _keep_strangers
