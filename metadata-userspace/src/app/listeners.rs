//! The sockets of `metadatad run` that are not a namespace's.

pub mod late;
pub mod wanted;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::lineage::Lineage;
use crate::config::Config;
use crate::supervisor::held::Held;
use crate::supervisor::inherited::{Inherited, end_listening};
use crate::supervisor::listeners::Listener;
use crate::supervisor::orders::{ListenerId, ListenerRole};
use late::Late;
use wanted::{API, SERVED, Wanted, remove};

/// What a worker is to serve.
#[derive(Debug, Default)]
pub struct Opened {
    pub listeners: Vec<(ListenerId, Listener)>,
    /// Without which guests are served all the same.
    pub late: Option<Late>,
    /// The first number that no listener has, nor will have.
    pub first_free: ListenerId,
}

/// Opens sockets, or takes those that the daemon before this one left.
pub struct Opener<'a> {
    pub inherited: &'a mut Inherited,
    pub lineage: &'a mut Lineage,
}

impl Opener<'_> {
    /// All of these. What else was left is given up before any is opened: it may listen where
    /// one is wanted.
    pub fn open(&mut self, all: Vec<(ListenerRole, Wanted)>) -> anyhow::Result<Opened> {
        let mut left = self.take_left(&all);
        let mut opened = Opened::default();
        for (role, wanted) in all {
            let id = opened.first_free;
            opened.first_free += 1;
            let socket = match left.remove(wanted.name) {
                Some(socket) => self.hold(&wanted, socket, true),
                None if role == ListenerRole::Metrics => match wanted.open_at_once() {
                    Ok(socket) => self.hold(&wanted, socket, false),
                    Err(problem) => {
                        opened.late = Some(Late::new(id, role, wanted, problem));
                        continue;
                    }
                },
                None => self.hold(&wanted, wanted.open()?, false),
            };
            let role = Rc::new(role);
            opened.listeners.push((id, Listener { role, socket }));
        }
        Ok(opened)
    }

    /// The socket on which shims register.
    pub fn open_for_shims(&mut self, wanted: &Wanted) -> anyhow::Result<OwnedFd> {
        let left = self.inherited.take(wanted.name, |socket| wanted.is(socket));
        let was_left = left.is_some();
        let socket = left.map_or_else(|| wanted.open(), Ok)?;
        Ok(self.hold(wanted, socket, was_left).try_clone()?)
    }

    /// By name. Those of an earlier configuration are ended, or retired.
    fn take_left(&mut self, all: &[(ListenerRole, Wanted)]) -> BTreeMap<&'static str, OwnedFd> {
        let mut left = BTreeMap::new();
        for name in SERVED {
            let wanted = all.iter().find(|(_, wanted)| wanted.name == name);
            let is_it = |socket: &OwnedFd| wanted.is_some_and(|(_, wanted)| wanted.is(socket));
            let (taken, others) = self.inherited.part(name, is_it);
            for other in others {
                self.give_up(name, wanted.map(|(_, wanted)| wanted), other);
            }
            left.extend(taken.map(|socket| (name, socket)));
        }
        left
    }

    /// A worker of before asks the API that it knows until it has left.
    fn give_up(&mut self, name: &'static str, wanted: Option<&Wanted>, socket: OwnedFd) {
        let is_in_the_way = wanted.is_some_and(|wanted| wanted.is_hindered_by(&socket));
        if name == API && !is_in_the_way {
            self.lineage.retire(name, socket);
        } else {
            end_listening(&socket);
        }
    }

    fn hold(&mut self, wanted: &Wanted, socket: OwnedFd, was_left: bool) -> Rc<OwnedFd> {
        let socket = Rc::new(socket);
        self.lineage.leave(wanted.belonging(&socket), was_left);
        socket
    }
}

/// Whether a daemon that takes over what is `held` could open all of these. Leaves nothing.
pub fn try_out(all: &[Wanted], mut held: Held) -> anyhow::Result<()> {
    let mut tried = Vec::new();
    let mut outcome = Ok(());
    for wanted in all {
        if wanted.is_taken_from(&mut held) {
            continue;
        }
        match wanted.open_at_once() {
            // Open until the end: two may want the same.
            Ok(socket) => tried.push((wanted, socket)),
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    tried.iter().for_each(|(wanted, _)| wanted.remove_file());
    outcome
}

/// Removes the files of the unix sockets.
pub fn remove_files(config: &Config) {
    remove(&config.admin.socket);
    remove(&config.shim.socket);
    if config.agent.enabled {
        remove(&config.agent.socket);
    }
}
