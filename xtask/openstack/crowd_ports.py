"""A crowd's networks, routers and ports: crowd_ports.py FACTS ROUTERS GUESTS.

There are so many of each: routers with a network each, and guests on every network.
Those that are missing are made, in bulk.
"""

import sys
import uuid

import lab

ROUTERS, GUESTS = (int(argument) for argument in sys.argv[2:])
# Ids that are the same each time make the helpers repeatable.
CROWD = uuid.UUID("6c61622d-0000-4000-8000-000063726f77")
# Neutron makes as many ports in one request as it is asked for, but uwsgi ends long ones.
BULK = 25

network_api = lab.connect().network
project = lab.load("projects.json")["demo"]


def network(number):
    name = f"crowd-{number}"
    found = network_api.find_network(name) or network_api.create_network(
        name=name, project_id=project
    )
    wanted = {
        "name": name,
        "network_id": found.id,
        "project_id": project,
        "cidr": f"10.{100 + number}.0.0/24",
        "gateway_ip": f"10.{100 + number}.0.1",
        # The guests' addresses are outside.
        "allocation_pools": [
            {"start": f"10.{100 + number}.0.250", "end": f"10.{100 + number}.0.254"}
        ],
        "ip_version": 4,
        # They have their addresses already.
        "is_dhcp_enabled": False,
    }
    subnet = network_api.find_subnet(name) or network_api.create_subnet(**wanted)
    router = network_api.find_router(name) or network_api.create_router(
        name=name, project_id=project
    )
    if not any(network_api.ports(device_id=router.id)):
        network_api.add_interface_to_router(router, subnet_id=subnet.id)
    return found, subnet, router


def wanted_port(name, network_id, address):
    return {
        "name": name,
        "network_id": network_id,
        "project_id": project,
        "fixed_ips": [{"ip_address": address}],
        "device_id": str(uuid.uuid5(CROWD, name)),
        "device_owner": "compute:nova",
        "binding_host_id": lab.FACTS["host"],
    }


def ports(number, network_id):
    """The guests' ports, in the order of their numbers."""
    names = {f"crowd-{number}-{guest}": guest for guest in range(GUESTS)}
    found = {port.name: port for port in network_api.ports(network_id=network_id)}
    missing = [
        wanted_port(name, network_id, f"10.{100 + number}.0.{10 + guest}")
        for name, guest in names.items()
        if name not in found
    ]
    for first in range(0, len(missing), BULK):
        for port in network_api.create_ports(missing[first : first + BULK]):
            found[port.name] = port
    return [found[name] for name in names]


def described(number):
    made, subnet, router = network(number)
    guests = [
        {
            "name": port.name,
            "uuid": port.device_id,
            "project_id": project,
            "port": port.id,
            "mac": port.mac_address,
            "address": port.fixed_ips[0]["ip_address"],
        }
        for port in ports(number, made.id)
    ]
    gateway = next(network_api.ports(device_id=router.id))
    return {
        "network": made.id,
        "router": router.id,
        "gateway": subnet.gateway_ip,
        "gateway_mac": gateway.mac_address,
        "interface": ("qr-" + gateway.id)[:14],
        "guests": guests,
    }


unlimited = dict.fromkeys(("networks", "subnets", "routers", "ports"), -1)
network_api.update_quota(project, **unlimited)
lab.save("crowd_ports.json", [described(number) for number in range(ROUTERS)])
