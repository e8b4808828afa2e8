//! The classic tutorial's laboratory: one router, one guest, one request.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use super::leftovers::Place;
use super::route;
use crate::lab::daemon::{Daemon, Setup};
use crate::lab::guest::Guest;
use crate::lab::inventory::{self, Instance};
use crate::lab::router::{Router, Subnet};
use crate::progress::Progress;
use crate::stop;

const ROUTER: &str = "11111111-2222-4333-8444-555555555555";
const GUEST: &str = "c1";

/// Fields are dropped in this order: the daemon first.
pub(super) struct Laboratory {
    pub(super) daemon: Daemon,
    pub(super) guest: Guest,
    pub(super) router: Router,
    pub(super) instance: Instance,
    _place: Place,
}

/// Makes the laboratory, shows a request's way, and stays if `stays`.
///
/// # Errors
/// When any of it fails; the laboratory is removed all the same.
pub(super) fn run(binary: PathBuf, stays: bool, progress: &mut Progress) -> Result<()> {
    stop::remember_signals()?;
    progress.step("making the router's namespace and the guest c1");
    let outcome = show(binary, stays, progress);
    if stop::asked() {
        eprintln!("\ninterrupted: everything is removed");
        return Ok(());
    }
    outcome
}

fn show(binary: PathBuf, stays: bool, progress: &mut Progress) -> Result<()> {
    let laboratory = Laboratory::make(binary, progress)?;
    stop::check()?;
    progress.step("sending a request from c1");
    route::show(&laboratory)?;
    if stays {
        print_invitation(&laboratory);
        stay(laboratory)?;
    }
    Ok(())
}

impl Laboratory {
    fn make(binary: PathBuf, progress: &mut Progress) -> Result<Self> {
        let namespace = format!("qrouter-{ROUTER}");
        let place = Place::take(&[GUEST, &namespace])?;
        let router = Router::with_id(ROUTER)?;
        let guest = Guest::named(GUEST, &router, Subnet::TUTORIAL)?;
        let mut instance = Instance::of(&guest, &router, GUEST)?;
        instance.meta = vec![("role".to_owned(), "demonstration".to_owned())];
        stop::check()?;
        progress.step("starting metadatad");
        let inventory = inventory::file(std::slice::from_ref(&instance))?;
        let mut setup = Setup::new(binary, &[&namespace], inventory)?;
        setup.parent = place.directory().to_owned();
        setup.bpffs = free_pin_directory();
        place.note_pins(&setup.bpffs)?;
        let daemon = Daemon::serving(setup, &[&namespace])?;
        Ok(Self {
            daemon,
            guest,
            router,
            instance,
            _place: place,
        })
    }
}

/// The default, unless a metadatad of this host has it.
fn free_pin_directory() -> PathBuf {
    let default = Path::new("/sys/fs/bpf/metadatad");
    if default.exists() {
        return PathBuf::from("/sys/fs/bpf/metadatad-demo");
    }
    default.to_owned()
}

fn print_invitation(laboratory: &Laboratory) {
    let config = laboratory.daemon.config_file();
    let router = laboratory.router.namespace().name();
    println!(
        "\n== Try, in another terminal\n\
         ip netns exec c1 curl -s http://169.254.169.254/openstack/latest/meta_data.json\n\
         ip netns exec c1 curl -s http://169.254.169.254/latest/meta-data/instance-id\n\
         ip netns exec c1 curl -m 3 http://169.254.169.254:9697/    # no connection\n\
         ip netns exec {router} tc filter show dev {interface} ingress\n\
         bpftool map dump pinned {bpffs}/v*/maps/verdicts\n\
         {binary} status --config-file {config}\n\
         \nCtrl-C removes all of it.",
        interface = laboratory.guest.router_interface,
        bpffs = laboratory.daemon.bpffs().display(),
        binary = laboratory.daemon.binary().display(),
        config = config.display(),
    );
}

/// Until Ctrl-C, or until the daemon ends by itself.
fn stay(mut laboratory: Laboratory) -> Result<()> {
    while !stop::asked() {
        laboratory.daemon.check_running()?;
        sleep(Duration::from_millis(100));
    }
    Ok(())
}
