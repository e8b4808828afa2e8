//! The ways of a guest's request to Nova.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::Result;

use super::super::usage;
use super::figures::Figures;
use super::session::Target;
use super::wave::{Asker, Fate, Wave};
use crate::lab::guest::METADATA;
use crate::openstack::{Crowd, Member, RunningCloud};

const FEW: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::bench) enum Lane {
    /// Nova itself, some guests at a time
    NovaInTurn,
    /// Nova itself, all guests at once
    Nova,
    /// metadatad in the place of Neutron's hops
    Metadatad,
    /// haproxy and neutron-metadata-agent
    Neutron,
}

/// What all lanes have in common.
pub(super) struct Scene<'a> {
    pub(super) cloud: &'a RunningCloud,
    pub(super) crowd: Crowd,
    pub(super) binary: &'a Path,
    pub(super) wave: Wave,
}

impl Lane {
    fn name(self) -> &'static str {
        match self {
            Self::NovaInTurn => "Nova alone, 8 guests at a time",
            Self::Nova => "Nova alone",
            Self::Metadatad => "metadatad",
            Self::Neutron => "haproxy + Neutron's agent",
        }
    }
}

impl Scene<'_> {
    /// One storm.
    pub(super) fn run(&self, lane: Lane) -> Result<Figures> {
        eprintln!("      {}", lane.name());
        self.cloud.restart_nova()?;
        let mut processes = self.cloud.servers()?;
        match lane {
            Lane::NovaInTurn => {
                let wave = Wave {
                    at_once: Some(FEW),
                    ..self.wave
                };
                self.measure(lane, wave, self.askers(to_nova), &processes)
            }
            Lane::Nova => self.measure(lane, self.wave, self.askers(to_nova), &processes),
            Lane::Metadatad => {
                let served = self.cloud.served_by(self.binary, &self.crowd.namespaces)?;
                processes.push(("metadatad", served.pid()));
                self.measure(lane, self.wave, self.askers(to_router), &processes)
            }
            Lane::Neutron => {
                self.cloud.restart_metadata_agent()?;
                processes.extend(self.cloud.neutrons_hops(&self.crowd.routers)?);
                self.measure(lane, self.wave, self.askers(to_router), &processes)
            }
        }
    }

    fn askers<'a>(&'a self, of: fn(&'a Member) -> Asker<'a>) -> Vec<Asker<'a>> {
        self.crowd.members.iter().map(of).collect()
    }

    fn measure(
        &self,
        lane: Lane,
        wave: Wave,
        askers: Vec<Asker<'_>>,
        processes: &[(&'static str, u32)],
    ) -> Result<Figures> {
        let before = cpu(processes)?;
        let fates: Vec<Fate> = wave.roll(&askers)?;
        let mut used = cpu(processes)?;
        for (name, seconds) in &mut used {
            *seconds -= before.get(name).copied().unwrap_or_default();
        }
        let figures = Figures::of(lane.name(), fates, used);
        eprintln!(
            "      {} of {} guests have everything, the last after {:.1} s; {} errors",
            figures.complete.len(),
            askers.len(),
            figures.complete.last().copied().unwrap_or_default(),
            figures.tally.errors(),
        );
        Ok(figures)
    }
}

fn to_router(member: &Member) -> Asker<'_> {
    Asker {
        inside: Some(&member.namespace),
        target: Target {
            address: METADATA.into(),
            headers: String::new(),
        },
    }
}

/// With what an agent says of the guest.
fn to_nova(member: &Member) -> Asker<'_> {
    let Member {
        uuid,
        project,
        address,
        signature,
        ..
    } = member;
    Asker {
        inside: None,
        target: Target {
            address: RunningCloud::nova(),
            headers: format!(
                "X-Instance-ID: {uuid}\r\nX-Tenant-ID: {project}\r\n\
                 X-Forwarded-For: {address}\r\nX-Instance-ID-Signature: {signature}\r\n"
            ),
        },
    }
}

/// Seconds by name, of each process and its children; and our own, which are the guests'.
fn cpu(processes: &[(&'static str, u32)]) -> Result<BTreeMap<String, f64>> {
    let guests = ("the guests", std::process::id());
    let mut seconds = BTreeMap::new();
    for (name, pid) in processes.iter().chain([&guests]) {
        let used = match *pid == guests.1 {
            true => usage::own_cpu_time()?,
            false => usage::cpu_time(*pid)?,
        };
        *seconds.entry((*name).to_owned()).or_default() += used / 1e6;
    }
    Ok(seconds)
}
