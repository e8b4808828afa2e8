"""Networks, subnets and routers of the plan, through Neutron's REST API."""

import ipaddress

import lab

network_api = lab.connect().network
projects = lab.load("projects.json")


def subnet(wanted, network):
    return network_api.find_subnet(wanted["name"]) or network_api.create_subnet(
        name=wanted["name"],
        network_id=network.id,
        project_id=network.project_id,
        cidr=wanted["cidr"],
        gateway_ip=wanted["gateway"],
        # The instances' and OVN's own addresses are outside.
        allocation_pools=[dict(zip(("start", "end"), wanted["pool"], strict=True))],
        ip_version=ipaddress.ip_network(wanted["cidr"]).version,
    )


def router(name, subnets):
    found = network_api.find_router(name) or network_api.create_router(
        name=name, project_id=subnets[0].project_id
    )
    ports = network_api.ports(device_id=found.id)
    attached = {address["subnet_id"] for port in ports for address in port.fixed_ips}
    for each in subnets:
        if each.id not in attached:
            network_api.add_interface_to_router(found, subnet_id=each.id)
    return found


made = {"networks": {}, "routers": {}}
for wanted in lab.FACTS["plan"]["networks"]:
    network = network_api.find_network(wanted["name"]) or network_api.create_network(
        name=wanted["name"], project_id=projects[wanted["project"]]
    )
    made["networks"][wanted["name"]] = network.id
    subnets = [subnet(each, network) for each in wanted["subnets"]]
    if "router" in wanted:
        made["routers"][wanted["router"]] = router(wanted["router"], subnets).id
lab.save("networks.json", made)
