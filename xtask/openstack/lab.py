"""What every helper of the laboratory needs: its facts and its clients."""

import json
import os
import sys

import openstack

with open(sys.argv[1], encoding="utf-8") as _file:
    FACTS = json.load(_file)


def connect():
    """A client of Keystone and Neutron with the administrator's rights."""
    return openstack.connection.Connection(
        auth={
            "auth_url": FACTS["keystone_url"],
            "username": "admin",
            "password": FACTS["admin_password"],
            "project_name": "admin",
            "user_domain_id": "default",
            "project_domain_id": "default",
        },
        region_name=FACTS["region"],
    )


def load(name):
    """What an earlier helper wrote."""
    with open(os.path.join(FACTS["directory"], name), encoding="utf-8") as file:
        return json.load(file)


def save(name, value):
    """Writes a file whole or not at all: its presence means that it is done."""
    path = os.path.join(FACTS["directory"], name)
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
    os.rename(path + ".new", path)
