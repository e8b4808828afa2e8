"""Rows of Nova's database that nova-compute and nova-conductor would write.

Nova's own objects write them.
"""

import base64
import gzip
import sys

from nova import config, context, exception, objects
from nova.network import model

config.parse_args(["rows", "--config-file", sys.argv[2]])
objects.register_all()

admin = context.get_admin_context()
cell = next(each for each in objects.CellMappingList.get_all(admin) if each.name == "lab")
context.set_target_cell(admin, cell)
USER = "lab-user"


def flavor():
    try:
        return objects.Flavor.get_by_flavor_id(admin, "lab")
    except exception.FlavorNotFound:
        made = objects.Flavor(
            admin, flavorid="lab", name="lab.small", memory_mb=512, vcpus=1, root_gb=1,
            ephemeral_gb=0, swap=0, rxtx_factor=1.0, is_public=True, disabled=False,
            extra_specs={},
        )
        made.create()
        return made


def compute_node(host):
    try:
        return objects.ComputeNode.get_by_host_and_nodename(admin, host, host)
    except exception.ComputeHostNotFound:
        made = objects.ComputeNode(
            admin, host=host, hypervisor_hostname=host, vcpus=2, memory_mb=4096, local_gb=20,
            vcpus_used=0, memory_mb_used=0, local_gb_used=0, hypervisor_type="fake",
            hypervisor_version=1, cpu_info="", cpu_allocation_ratio=1.0,
            ram_allocation_ratio=1.0, disk_allocation_ratio=1.0,
        )
        made.create()
        return made


def user_data(wanted):
    """As Nova keeps it: base64 of the bytes that the user gave."""
    if wanted is None:
        return None
    if "text" in wanted:
        data = wanted["text"].encode()
    elif "gzip" in wanted:
        data = gzip.compress(wanted["gzip"].encode(), mtime=0)
    else:
        line = b"# a line of a large user data document, to fill it\n"
        data = (b"#!/bin/sh\n" + line * (wanted["size"] // len(line) + 1))[: wanted["size"]]
    return base64.b64encode(data).decode()


def key_pair(instance, name):
    if "key" not in instance:
        return None
    try:
        return objects.KeyPair.get_by_name(admin, USER, name)
    except exception.KeypairNotFound:
        made = objects.KeyPair(
            admin, user_id=USER, name=name, type="ssh", public_key=instance["key"],
            fingerprint="00:00",
        )
        made.create()
        return made


def mapping(uuid, project_id):
    try:
        objects.InstanceMapping.get_by_instance_uuid(admin, uuid)
    except exception.InstanceMappingNotFound:
        objects.InstanceMapping(
            admin, instance_uuid=uuid, project_id=project_id, user_id=USER,
            cell_mapping=cell, queued_for_delete=False,
        ).create()


def row(instance, made, node, size, network_info):
    key = key_pair(instance, instance.get("key_name", instance["name"] + "-key"))
    new = objects.Instance(
        admin, uuid=made["uuid"], project_id=made["project_id"], user_id=USER,
        host=node.host, node=node.host, compute_id=node.id, launched_on=node.host, vm_state="active", power_state=1,
        display_name=instance["name"], hostname=instance["name"], image_ref="",
        availability_zone="nova", reservation_id="r-" + made["uuid"][:8], launch_index=0,
        root_device_name="/dev/vda", metadata=instance.get("metadata", {}),
        system_metadata={"image_base_image_ref": ""}, flavor=size, old_flavor=None,
        new_flavor=None, instance_type_id=size.id, memory_mb=size.memory_mb, vcpus=size.vcpus,
        root_gb=size.root_gb, ephemeral_gb=0, user_data=user_data(instance.get("user_data")),
        key_name=key.name if key else None, key_data=key.public_key if key else None,
        keypairs=objects.KeyPairList(objects=[key] if key else []),
        info_cache=objects.InstanceInfoCache(network_info=network_info),
    )
    new.create()
    objects.BlockDeviceMapping(
        admin, instance_uuid=new.uuid, source_type="image", destination_type="local",
        device_type="disk", boot_index=0, device_name="/dev/vda", image_id=None,
        delete_on_termination=True,
    ).create()
    return new


def instance_row(instance, made, node, size, network_info=None):
    mapping(made["uuid"], made["project_id"])
    try:
        return objects.Instance.get_by_uuid(admin, made["uuid"])
    except exception.InstanceNotFound:
        return row(instance, made, node, size, network_info or model.NetworkInfo())
