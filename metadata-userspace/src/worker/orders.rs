//! Taking the supervisor's orders, from the first to the last, and what comes after.

use std::collections::VecDeque;
use std::future::pending;
use std::os::fd::OwnedFd;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::sandbox;
use super::serve::{Worker, WorkerError};
use crate::config::Config;
use crate::logging::{self, LogOptions};
use crate::supervisor::control::{Control, ControlError, from_memory_file};
use crate::supervisor::orders::{Briefing, Order, Report};
use crate::supervisor::succession::{Heir, Succession};
use crate::supervisor::worker_process::DRAIN_LIMIT;
use crate::upstream::names;

/// Serves until the order to drain, or until the supervisor is gone and nobody needs
/// this process in its place; then finishes what is under way.
pub async fn follow(control: OwnedFd, succession: Succession) -> Result<(), WorkerError> {
    let control = Control::new(control)?;
    let briefing = be_briefed(&control).await?;
    start_logging(&briefing.config);
    let sandbox = sandbox::enter(&briefing.config)?;
    let mut worker = Worker::new(briefing, sandbox, succession)?;
    names::ask(worker.names.clone());
    // Heard where a supervisor still is.
    let _ = control.send(&Report::Guests, Some(worker.guests())).await;
    let mut pulses = JoinSet::new();
    let mut outbox = Outbox::default();
    loop {
        let (desk, connections) = (worker.desk.clone(), worker.connections.clone());
        let names = worker.names.clone();
        let report = tokio::select! {
            order = control.receive::<Order>() => match order {
                Ok((Order::Drain, _)) => break,
                Ok((Order::Ready, _)) => Ok(Some(Report::Ready)),
                Ok((Order::IsAlive, _)) => {
                    pulses.spawn(worker.pulse());
                    Ok(None)
                }
                Ok((order, file)) => Ok(worker.obey(order, file)?.map(Report::Missed)),
                Err(error) => Err(error),
            },
            Some(_) = pulses.join_next() => Ok(Some(Report::Alive)),
            path = connections.asked() => Ok(Some(Report::Connect { path })),
            host = names.asked() => Ok(Some(Report::LookUp { host })),
            () = desk.asked() => Ok(Some(Report::AskHostState)),
            sent = outbox.send_first(&control) => sent.map(|()| {
                outbox.0.pop_front();
                None
            }),
        };
        match report {
            Err(ControlError::Closed) => {
                outlive_the_supervisor(worker).await;
                return Ok(());
            }
            report => outbox.0.extend(report?),
        }
    }
    worker.drain().await;
    Ok(())
}

/// What is to be said. While the supervisor gives orders it hears nothing, so who waited for
/// it to hear would never take the next order.
#[derive(Default)]
struct Outbox(VecDeque<Report>);

impl Outbox {
    /// Dropping the future says nothing.
    async fn send_first(&self, control: &Control) -> Result<(), ControlError> {
        match self.0.front() {
            Some(report) => control.send(report, None).await,
            None => pending().await,
        }
    }
}

/// Serves on until it is known whether another supervisor takes over, so that guests
/// miss none; then finishes what is under way, as long as that takes no longer than a
/// supervisor would have it.
async fn outlive_the_supervisor(mut worker: Worker) {
    let heir = worker.serve_guests_alone().await;
    tracing::info!(?heir, "the supervisor is gone; finishing what is under way");
    if heir == Heir::Serves {
        worker.leave_the_sockets();
    }
    if timeout(DRAIN_LIMIT, worker.drain()).await.is_err() {
        tracing::warn!(limit = ?DRAIN_LIMIT, "not everything was finished in time");
    }
}

async fn be_briefed(control: &Control) -> Result<Briefing, WorkerError> {
    match control.receive::<Order>().await? {
        (Order::Start, file) => Ok(from_memory_file(file)?),
        _ => Err(WorkerError::NotBriefed),
    }
}

fn start_logging(config: &Config) {
    let options = LogOptions {
        debug: config.debug,
        access_log: config.proxy.access_log,
    };
    if let Err(error) = logging::init(options) {
        eprintln!("metadatad: the worker cannot log: {error}");
    }
}
