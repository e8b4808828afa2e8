"""The instances of the plan, as rows of Nova's database.

Nova's own Neutron client fills the network information from the real ports.
"""

import lab
import nova_rows
from nova.network import neutron

size, node = nova_rows.flavor(), nova_rows.compute_node(lab.FACTS["host"])
ports = lab.load("ports.json")
for instance in lab.FACTS["plan"]["instances"]:
    made = ports[instance["name"]]
    found = nova_rows.instance_row(instance, made, node, size)
    neutron.API().get_instance_nw_info(nova_rows.admin, found, force_refresh=True)
lab.save("cloud.json", {**lab.load("networks.json"), "instances": ports})
