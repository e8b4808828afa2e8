//! `cargo xtask openstack`: real Neutron, Nova and Keystone on this machine,
//! without a hypervisor and without any service manager.

mod addresses;
mod agent_list;
mod api;
mod cloud;
mod crowd;
mod down;
mod fabric;
mod lifecycle;
mod ours;
mod place;
mod python;
mod record;
mod running;
mod samples;
mod service;
mod services;
mod southbound;
mod stopping;
mod summary;
mod test;
mod up;

use anyhow::Result;

use self::place::Place;
use crate::{build, privilege};

pub(crate) use self::crowd::{Crowd, Member};
pub(crate) use self::running::RunningCloud;

/// Options of `cargo xtask openstack`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// Install and start what is missing, and show it
    Up,
    /// Compare our options with those of Neutron's packages
    Samples {
        /// Take target/release/metadatad as it is
        #[arg(long)]
        no_build: bool,
    },
    /// Compare metadatad's hops with Neutron's
    ///
    /// Brings the cloud up if it is not, and sends the same requests by each
    /// combination of Neutron's proxy and agent and ours. Whatever differs from
    /// Neutron's answers without a known reason fails.
    Test(test::Arguments),
    /// Have Neutron's agents make and delete routers and networks, with guests that ask
    ///
    /// Brings the cloud up if it is not. metadatad serves beside Neutron's haproxies,
    /// then in their place.
    Agents(lifecycle::Arguments),
    /// End everything, and remove its namespaces
    Down {
        /// Remove the data, the configuration and the Python environment too
        #[arg(long)]
        purge: bool,
    },
}

/// Becomes root and does it.
///
/// # Errors
/// When something cannot be installed, started, made or ended.
pub fn run(arguments: &Arguments) -> Result<()> {
    if let Action::Samples { no_build }
    | Action::Test(test::Arguments { no_build, .. })
    | Action::Agents(lifecycle::Arguments { no_build, .. }) = arguments.action
    {
        // As whoever calls: what is built is to be theirs.
        build::release_unless(no_build)?;
    }
    privilege::become_root(&arguments.as_root())?;
    let place = Place::here();
    let _lock = place.lock()?;
    match &arguments.action {
        Action::Test(arguments) => {
            up::ensure(&place)?;
            test::run(&place, &build::release_unless(true)?, arguments)
        }
        Action::Agents(arguments) => {
            up::ensure(&place)?;
            lifecycle::run(&place, &build::release_unless(true)?, arguments)
        }
        Action::Up => up::run(&place),
        Action::Samples { .. } => samples::run(&place, &build::release_unless(true)?),
        Action::Down { purge } => down::run(&place, *purge),
    }
}

impl Arguments {
    /// The same again for the process that is root.
    fn as_root(&self) -> Vec<String> {
        let mut arguments = vec!["openstack".to_owned()];
        arguments.extend(match &self.action {
            Action::Up => vec!["up".to_owned()],
            Action::Test(arguments) => arguments.as_root(),
            Action::Agents(arguments) => arguments.as_root(),
            Action::Samples { .. } => vec!["samples".to_owned(), "--no-build".to_owned()],
            Action::Down { purge: false } => vec!["down".to_owned()],
            Action::Down { purge: true } => vec!["down".to_owned(), "--purge".to_owned()],
        });
        arguments
    }
}
