//! Finding out which instance asked.
//!
//! A request is judged by what is known about the ports of its realm
//! ([`identify`]); when that leaves a doubt, [`Identifier`] has more found out first.

pub mod directory;
pub mod identifier;
pub mod identify;
pub mod inventory;
pub mod neutron_rest;
pub mod neutron_rpc;
pub mod ovn;
pub mod source;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::identity::{Port, Requester};

pub use identifier::Identifier;

/// The answer to "who is this?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Exactly one port has this address in this realm.
    Found(Arc<Port>),
    /// No port has it.
    Unknown,
    /// Several ports have it; guessing would hand out a neighbour's metadata.
    Ambiguous(usize),
    /// The address is one port's, the MAC that sent the request another's in the
    /// same network.
    Pretender { claimed: Arc<Port>, real: Arc<Port> },
}

/// The source of truth could not be asked; the guest should try again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{source_name} cannot be asked who has the address: {reason}")]
pub struct ResolveError {
    /// For example `inventory` or `neutron-rpc`.
    pub source_name: &'static str,
    pub reason: String,
}

/// What a question to a source of truth comes to, boxed, so that the source is
/// chosen by configuration.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, ResolveError>> + Send + 'a>>;

/// Knows the ports of a cloud.
pub trait Resolver: Send + Sync + 'static {
    /// The answer of [`Self::resolve`] if it needs no waiting, which it mostly does not.
    fn known(&self, requester: &Requester) -> Option<Resolution>;

    /// Which port sent this?
    fn resolve<'a>(&'a self, requester: &'a Requester) -> Asking<'a, Resolution>;
}
