"""Lets one of cloud-init's own data sources find its metadata: crawl.py SOURCE DIR.

Prints what it found as JSON. DIR takes cloud-init's caches.
"""

import json
import logging
import sys

from cloudinit import distros, helpers, util
from cloudinit.sources import DataSourceEc2, DataSourceOpenStack

# What this machine's firmware says is not what is tested here.
DataSourceOpenStack.detect_openstack = lambda accept_oracle=False: True

# The guest has no name server: these would wait for one.
util._DNS_REDIRECT_IP = set()
URLS = ["http://169.254.169.254"]

SETTINGS = {
    "datasource_list": ["OpenStack"],
    "datasource": {
        "OpenStack": {"metadata_urls": URLS},
        "Ec2": {"metadata_urls": URLS, "strict_id": "false", "max_wait": 20},
    },
}


def make(source, directory):
    paths = helpers.Paths({"cloud_dir": directory, "run_dir": directory})
    distro = distros.fetch("debian")("debian", {}, paths)
    kinds = {
        "openstack": DataSourceOpenStack.DataSourceOpenStack,
        "ec2": DataSourceEc2.DataSourceEc2,
    }
    return kinds[source](SETTINGS, distro, paths)


def main():
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    source = make(*sys.argv[1:])
    if not source._get_data():
        sys.exit("cloud-init found no metadata")
    found = {
        "instance_id": source.get_instance_id(),
        "user_data": util.decode_binary(source.get_userdata_raw() or b""),
        "public_keys": source.get_public_ssh_keys(),
        "metadata": source.metadata,
        "network": getattr(source, "network_json", None),
        "ec2": getattr(source, "ec2_metadata", None),
    }
    json.dump(found, sys.stdout, default=str)


main()
