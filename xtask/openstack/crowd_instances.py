"""A crowd's instances: crowd_instances.py FACTS NOVA_CONF SECRET.

Nova's own Neutron client makes the network information of one on each network; that
of its neighbours differs by port, MAC and address, and asking for each takes seconds.
"""

import hashlib
import hmac
import sys

import lab
import nova_rows
from nova.network import model, neutron
from oslo_serialization import jsonutils

SECRET = sys.argv[3].encode()
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8lab0crowd0key0of0nobody0000000000000000 crowd@lab"
USER_DATA = {"text": "#cloud-config\npackage_update: true\nfinal_message: up after $UPTIME s\n"}

size, node = nova_rows.flavor(), nova_rows.compute_node(lab.FACTS["host"])


def instance(guest, network_info=None):
    wanted = {
        "name": guest["name"],
        "key": KEY,
        "key_name": "crowd-key",
        "user_data": USER_DATA,
        "metadata": {"role": "crowd"},
    }
    return nova_rows.instance_row(wanted, guest, node, size, network_info)


def network_information(text, first, guest):
    """That of `guest`, from that of the first one on the network."""
    for old, new in (
        (first["port"], guest["port"]),
        (first["port"][:11], guest["port"][:11]),
        (first["mac"], guest["mac"]),
        (f'"{first["address"]}"', f'"{guest["address"]}"'),
    ):
        text = text.replace(old, new)
    return model.NetworkInfo.hydrate(jsonutils.loads(text))


def populate(router):
    first, *others = router["guests"]
    made = instance(first)
    information = neutron.API().get_instance_nw_info(nova_rows.admin, made, force_refresh=True)
    text = information.json()
    for guest in others:
        instance(guest, network_information(text, first, guest))


routers = lab.load("crowd_ports.json")
for router in routers:
    populate(router)
    for guest in router["guests"]:
        signature = hmac.new(SECRET, guest["uuid"].encode(), hashlib.sha256)
        guest["signature"] = signature.hexdigest()
lab.save("crowd.json", routers)
