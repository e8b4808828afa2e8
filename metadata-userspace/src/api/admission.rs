//! Which instance a request is about, and whether the agent vouches for it.

use hyper::StatusCode;
use hyper::header::HeaderMap;
use uuid::Uuid;

use super::reply::Refusal;
use crate::inventory::{Inventory, InventoryInstance};
use crate::signature;

const MISSING_INSTANCE: &str = "X-Instance-ID header is missing from request.";
const MISSING_SIGNATURE: &str = "X-Instance-ID-Signature header is missing from request.";
const MISSING_PROJECT: &str = "X-Tenant-ID header is missing from request.";
const UNCLEAR: &str = "An identity header occurs more than once or is not ASCII.";
const NO_PROVIDERS: &str = "X-Metadata-Provider is not served here: no metadata provider is known.";
const BAD_SIGNATURE: Refusal = Refusal {
    status: StatusCode::FORBIDDEN,
    message: "Invalid proxy request signature.",
};

/// The instance that `headers` name and are signed for.
pub(super) fn admit<'a>(
    headers: &HeaderMap,
    inventory: &'a Inventory,
    shared_secret: &str,
) -> Result<&'a InventoryInstance, Refusal> {
    if headers.contains_key("x-metadata-provider") {
        return Err(Refusal::bad_request(NO_PROVIDERS));
    }
    let instance_id = identity(headers, "x-instance-id", MISSING_INSTANCE)?;
    let signature = identity(headers, "x-instance-id-signature", MISSING_SIGNATURE)?;
    let project_id = identity(headers, "x-tenant-id", MISSING_PROJECT)?;

    if !signature::verify(shared_secret.as_bytes(), instance_id, signature) {
        // Never the signature that would have been right (LP 2150094).
        tracing::warn!(
            instance_id,
            "the signature of a metadata request is wrong: do agent and API have the same metadata_proxy_shared_secret?"
        );
        return Err(BAD_SIGNATURE);
    }
    let instance = Uuid::try_parse(instance_id)
        .ok()
        .and_then(|uuid| inventory.instance(uuid))
        .ok_or_else(|| {
            tracing::warn!(instance_id, "the inventory has no such instance");
            Refusal::NOT_FOUND
        })?;
    if instance.project_id != project_id {
        tracing::warn!(
            instance_id,
            project_id,
            "the port that asks is in another project than its instance"
        );
        return Err(Refusal::NOT_FOUND);
    }
    Ok(instance)
}

/// Two values of an identity header are none: which one was meant is anyone's guess.
fn identity<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
    missing: &'static str,
) -> Result<&'a str, Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(Refusal::bad_request(missing))?;
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(text),
        _ => Err(Refusal::bad_request(UNCLEAR)),
    }
}
