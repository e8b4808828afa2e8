"""The instances' ports, through Neutron's REST API, bound to this host."""

import uuid

import lab

# Ids that are the same each time make the helpers repeatable.
LABORATORY = uuid.UUID("6c61622d-0000-4000-8000-000000000000")

network_api = lab.connect().network
projects = lab.load("projects.json")
networks = lab.load("networks.json")["networks"]


def port(instance, device_id, wanted):
    name = f"{instance['name']}-{wanted['network']}"
    return network_api.find_port(name) or network_api.create_port(
        name=name,
        network_id=networks[wanted["network"]],
        project_id=projects[instance["project"]],
        fixed_ips=[{"ip_address": address} for address in wanted["addresses"]],
        device_id=device_id,
        device_owner="compute:nova",
        binding_host_id=lab.FACTS["host"],
    )


def described(made, wanted):
    if made.binding_vif_type != "ovs":
        raise SystemExit(f"Neutron did not bind port {made.id}: {made.binding_vif_type}")
    return {
        "id": made.id,
        "network": wanted["network"],
        "mac": made.mac_address,
        "addresses": wanted["addresses"],
    }


instances = {}
for instance in lab.FACTS["plan"]["instances"]:
    device_id = str(uuid.uuid5(LABORATORY, instance["name"]))
    instances[instance["name"]] = {
        "uuid": device_id,
        "project_id": projects[instance["project"]],
        "ports": [described(port(instance, device_id, each), each) for each in instance["ports"]],
    }
lab.save("ports.json", instances)
