//! Finding Neutron in Keystone's catalog, as keystoneauth does
//! (keystoneauth1/access/service_catalog.py).

use serde::Deserialize;

use crate::config::{EndpointChoice, Interface};

/// One entry of the catalog.
#[derive(Deserialize)]
pub(super) struct Service {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    interface: String,
    region_id: Option<String>,
    /// What `region_id` was called before.
    region: Option<String>,
    url: String,
}

impl Endpoint {
    fn region(&self) -> Option<&str> {
        self.region_id.as_deref().or(self.region.as_deref())
    }
}

/// The URL of the chosen endpoint.
///
/// # Errors
/// None fits: what was looked for, what there is, and which options decide.
pub(super) fn find<'a>(catalog: &'a [Service], choice: &EndpointChoice) -> Result<&'a str, String> {
    let fitting = |interface: &Interface| {
        let interface = interface.to_string();
        endpoints(catalog, choice)
            .find(|endpoint| endpoint.interface == interface && in_region(endpoint, choice))
    };
    let found = choice.interfaces.iter().find_map(fitting);
    found
        .map(|endpoint| endpoint.url.as_str())
        .ok_or_else(|| nothing_fits(catalog, choice))
}

fn endpoints<'a>(
    catalog: &'a [Service],
    choice: &EndpointChoice,
) -> impl Iterator<Item = &'a Endpoint> {
    catalog
        .iter()
        .filter(|service| service.kind == choice.service_type)
        // Keystone before 3.3 named no services.
        .filter(|service| match (&choice.service_name, &service.name) {
            (Some(wanted), Some(name)) => wanted == name,
            _ => true,
        })
        .flat_map(|service| &service.endpoints)
        .filter(|endpoint| !endpoint.url.is_empty())
}

fn in_region(endpoint: &Endpoint, choice: &EndpointChoice) -> bool {
    choice
        .region
        .as_deref()
        .is_none_or(|wanted| endpoint.region() == Some(wanted))
}

fn nothing_fits(catalog: &[Service], choice: &EndpointChoice) -> String {
    let interfaces: Vec<_> = choice.interfaces.iter().map(Interface::to_string).collect();
    let region = choice.region.as_ref();
    let region = region.map(|region| format!(" in region {region}"));
    let mut there: Vec<_> = endpoints(catalog, choice)
        .map(|one| {
            format!(
                "{} in {}",
                one.interface,
                one.region().unwrap_or("no region")
            )
        })
        .collect();
    there.dedup();
    let there = match there.as_slice() {
        [] => "none of that type and name".to_owned(),
        some => some.join(", "),
    };
    format!(
        "the catalog has no {} endpoint that is {}{}, but {there}; check [neutron] region_name, \
         valid_interfaces, service_type and service_name, or set endpoint_override",
        choice.service_type,
        interfaces.join(" or "),
        region.unwrap_or_default(),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    fn catalog() -> Vec<Service> {
        let endpoint = |interface: &str, region: &str| {
            let url = format!("http://{interface}.{region}");
            json!({"interface": interface, "region_id": region, "region": "old", "url": url})
        };
        let network = [
            endpoint("public", "one"),
            endpoint("internal", "one"),
            endpoint("public", "two"),
            json!({"interface": "internal", "region": "two", "url": "http://internal.two"}),
        ];
        let catalog = json!([
            {"type": "compute", "name": "nova", "endpoints": [endpoint("internal", "one")]},
            {"type": "network", "name": "other", "endpoints": []},
            {"type": "network", "name": "neutron", "endpoints": network},
        ]);
        serde_json::from_value(catalog).unwrap()
    }

    fn choice(interfaces: &[Interface], region: Option<&str>) -> EndpointChoice {
        EndpointChoice {
            fixed: None,
            service_type: "network".to_owned(),
            service_name: None,
            interfaces: interfaces.to_vec(),
            region: region.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn the_preferred_interface_of_the_region_is_taken() {
        use Interface::{Admin, Internal, Public};
        for (interfaces, region, url) in [
            (&[Internal, Public][..], None, "http://internal.one"),
            (&[Public, Internal], None, "http://public.one"),
            (&[Admin, Public], Some("two"), "http://public.two"),
            (&[Internal], Some("two"), "http://internal.two"),
        ] {
            let choice = choice(interfaces, region);
            assert_eq!(find(&catalog(), &choice), Ok(url));
        }
    }

    #[test]
    fn a_name_chooses_among_services_of_a_type() {
        let mut choice = choice(&[Interface::Public], None);
        choice.service_name = Some("neutron".to_owned());
        assert_eq!(find(&catalog(), &choice), Ok("http://public.one"));
        choice.service_name = Some("other".to_owned());
        assert!(find(&catalog(), &choice).is_err());
    }

    #[test]
    fn what_there_is_instead_is_told() {
        let error = find(&catalog(), &choice(&[Interface::Admin], Some("three"))).unwrap_err();
        for part in ["admin in region three", "public in one", "region_name"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(find(&[], &choice(&[Interface::Admin], None)).is_err());
    }
}
