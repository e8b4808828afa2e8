//! What happens when RabbitMQ or Neutron does not do its part: guests that were
//! known are served, new ones wait and are told to come again, and all is well when
//! all is well again, without a restart.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use xtask::lab::daemon::Setup;
use xtask::lab::rabbitmq::RabbitMq;
use xtask::lab::wait;

use crate::cloud::Cloud;
use crate::server::Manner;

/// Of `identity_timeout`.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long Neutron's answers are believed.
const LIFETIME: Duration = Duration::from_secs(1);

/// The first guest is known, the others are not.
fn cloud_with_newcomers(count: u8) -> Result<Cloud> {
    let short_lived =
        |setup: Setup| setup.sections("[cache]\nenabled = true\nexpiration_time = 1\n");
    let mut cloud = Cloud::with_guests(1 + count, 1, RabbitMq::start()?, short_lived)?;
    cloud.comes_to_serve(0)?;
    Ok(cloud)
}

/// What guests and operators see while a fault lasts. It began just now.
fn endures(cloud: &mut Cloud, newcomer: usize, dependency: &str, problem: &str) -> Result<()> {
    // What is known has expired: nothing but the fault keeps it from being renewed.
    sleep(LIFETIME + Duration::from_millis(200));
    cloud.introduce(newcomer)?;
    let asked = Instant::now();
    let answer = cloud.ask(newcomer)?;
    let waited = asked.elapsed();
    assert_eq!(answer.status, 503, "{problem}: {}", answer.text());
    assert!(answer.header("retry-after").is_some(), "{problem}");
    assert!(waited < PATIENCE * 2, "{problem}: waited {waited:?}");
    cloud.wait_dependency(dependency, Some(problem))?;
    let state = cloud.dependency(dependency)?;
    assert_eq!(state["up"], false);
    let asked = Instant::now();
    cloud.serves(0).context("the guest that was known")?;
    let waited = asked.elapsed();
    assert!(
        waited < PATIENCE,
        "{problem}: the known guest waited {waited:?}"
    );
    Ok(())
}

/// What they see after it.
fn recovers(cloud: &mut Cloud, newcomer: usize) -> Result<()> {
    cloud.comes_to_serve(newcomer)?;
    cloud.serves(0)?;
    for name in ["rabbitmq", "neutron"] {
        cloud.wait_dependency(name, None)?;
    }
    cloud.daemon.check_running()
}

#[test]
fn a_neutron_that_misbehaves_is_named_and_forgiven() -> Result<()> {
    let mut cloud = cloud_with_newcomers(4)?;
    let worker = cloud.daemon.worker_pid()?;
    for (newcomer, manner, problem) in [
        (1, Manner::Silently, "did not answer get_ports within"),
        (2, Manner::Failing, "DBConnectionError: no database"),
        (3, Manner::Garbage, "cannot be read"),
        (4, Manner::Nonsense, "is no list of ports"),
    ] {
        cloud.neutron.behave(manner);
        endures(&mut cloud, newcomer, "neutron", problem)?;
        cloud.neutron.behave(Manner::Well);
        recovers(&mut cloud, newcomer)?;
    }
    assert_eq!(cloud.daemon.worker_pid()?, worker);
    Ok(())
}

#[test]
fn a_rabbitmq_that_goes_away_is_waited_for() -> Result<()> {
    let mut cloud = cloud_with_newcomers(3)?;
    let worker = cloud.daemon.worker_pid()?;

    cloud.rabbit.signal(Signal::SIGSTOP)?;
    endures(&mut cloud, 1, "rabbitmq", "did not answer within")?;
    cloud.rabbit.signal(Signal::SIGCONT)?;
    recovers(&mut cloud, 1)?;

    cloud.rabbit.kill()?;
    endures(&mut cloud, 2, "rabbitmq", "cannot be reached")?;
    let reports = cloud.neutron.reports().len();
    cloud.rabbit.start_again()?;
    recovers(&mut cloud, 2)?;
    let neutron = &cloud.neutron;
    let reported = |_: &_| Ok(neutron.reports().len() > reports);
    cloud.daemon.wait("the agent reports again", reported)?;

    cloud.rabbit.ctl(&["change_password", "guest", "other"])?;
    cloud.rabbit.ctl(&["close_all_connections", "test"])?;
    endures(
        &mut cloud,
        3,
        "rabbitmq",
        "does not accept user `guest` at virtual host `/`",
    )?;
    assert!(!cloud.daemon.log().contains("guest:guest"));
    cloud.rabbit.ctl(&["change_password", "guest", "guest"])?;
    recovers(&mut cloud, 3)?;

    assert_eq!(cloud.daemon.worker_pid()?, worker);
    Ok(())
}

#[test]
fn something_that_is_no_rabbitmq_is_named_and_forgiven() -> Result<()> {
    let mut cloud = cloud_with_newcomers(1)?;
    cloud.rabbit.kill()?;
    let impostor = Impostor::start(cloud.rabbit.port())?;
    endures(&mut cloud, 1, "rabbitmq", "speaks AMQP")?;
    drop(impostor);
    cloud.rabbit.start_again()?;
    recovers(&mut cloud, 1)
}

/// Listens in RabbitMQ's place and talks nonsense; ended on drop.
struct Impostor {
    port: u16,
    ended: Arc<AtomicBool>,
    talking: Option<JoinHandle<()>>,
}

impl Impostor {
    fn start(port: u16) -> Result<Self> {
        let mut free = None;
        wait::until("RabbitMQ's port is free", Duration::from_secs(10), || {
            free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok();
            Ok(free.is_some())
        })?;
        let listener = free.context("no port")?;
        let ended = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ended);
        let talking = spawn(move || {
            for mut stream in listener.incoming().flatten() {
                if told.load(Ordering::SeqCst) {
                    break;
                }
                let _gone = stream.write_all(b"220 this is a mail server\r\n");
            }
        });
        Ok(Self {
            port,
            ended,
            talking: Some(talking),
        })
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread, which then finds that it is over.
        let _nobody = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(talking) = self.talking.take() {
            let _panicked = talking.join();
        }
    }
}
