//! Finding out which instance asked.

pub mod inventory;

use std::future::Future;
use std::pin::Pin;

use crate::identity::{Instance, Requester};

/// The answer to "who is this?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Exactly one port has this address in this realm.
    Found(Instance),
    /// No port has it.
    Unknown,
    /// Several ports have it; guessing would hand out a neighbour's metadata.
    Ambiguous(usize),
}

/// The source of truth could not be asked; the guest should try again.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{source_name} cannot be asked who has the address: {reason}")]
pub struct ResolveError {
    /// For example `inventory` or `neutron-rpc`.
    pub source_name: &'static str,
    pub reason: String,
}

/// A boxed future, so that the resolver is chosen by configuration.
pub type Resolving<'a> =
    Pin<Box<dyn Future<Output = Result<Resolution, ResolveError>> + Send + 'a>>;

/// Knows the ports of a cloud.
pub trait Resolver: Send + Sync + 'static {
    /// Which instance owns the port that sent this?
    fn resolve<'a>(&'a self, requester: &'a Requester) -> Resolving<'a>;
}
