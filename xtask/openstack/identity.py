"""Projects, service users, roles and the network endpoint in Keystone."""

import lab

identity = lab.connect().identity


def project(name):
    found = identity.find_project(name)
    return found or identity.create_project(name=name, domain_id="default")


def service_user(name, roles, home):
    user = identity.find_user(name) or identity.create_user(
        name=name,
        password=lab.FACTS["service_password"],
        domain_id="default",
        default_project_id=home.id,
    )
    for role in roles:
        identity.assign_project_role_to_user(home, user, identity.find_role(role))
    return user


def endpoints(kind, name, url):
    service = identity.find_service(name) or identity.create_service(name=name, type=kind)
    present = {endpoint.interface for endpoint in identity.endpoints(service_id=service.id)}
    for interface in {"public", "internal", "admin"} - present:
        identity.create_endpoint(
            service_id=service.id,
            interface=interface,
            url=url,
            region_id=lab.FACTS["region"],
        )


services = project("service")
service_user("neutron", ["admin", "service"], services)
service_user("nova", ["admin", "service"], services)
endpoints("network", "neutron", lab.FACTS["neutron_url"])
lab.save("projects.json", {name: project(name).id for name in ("demo", "other")})
