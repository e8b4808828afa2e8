//! Taking the supervisor's orders, from the first to the last, and what comes after.

use std::os::fd::OwnedFd;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::sandbox;
use super::serve::{Worker, WorkerError};
use crate::config::Config;
use crate::logging::{self, LogOptions};
use crate::supervisor::control::{Control, ControlError, from_memory_file};
use crate::supervisor::orders::{Briefing, Order, Report};
use crate::supervisor::succession::Heir;
use crate::supervisor::worker_process::DRAIN_LIMIT;
use crate::upstream::names;

/// Serves until the order to drain, or until the supervisor is gone and nobody needs
/// this process in its place; then finishes what is under way.
pub async fn follow(control: OwnedFd) -> Result<(), WorkerError> {
    let control = Control::new(control)?;
    let briefing = be_briefed(&control).await?;
    start_logging(&briefing.config);
    let sandbox = sandbox::enter(&briefing.config)?;
    let mut worker = Worker::new(briefing, sandbox)?;
    names::ask(worker.names.clone());
    // Heard where a supervisor still is.
    let _ = control.send(&Report::Guests, Some(worker.guests())).await;
    let mut pulses = JoinSet::new();
    loop {
        let (desk, connections) = (worker.desk.clone(), worker.connections.clone());
        let names = worker.names.clone();
        let done = tokio::select! {
            order = control.receive::<Order>() => match order {
                Ok((Order::Drain, _)) => break,
                Ok((Order::Ready, _)) => control.send(&Report::Ready, None).await,
                Ok((Order::IsAlive, _)) => {
                    pulses.spawn(worker.pulse());
                    Ok(())
                }
                Ok((order, file)) => match worker.obey(order, file)? {
                    Some(missed) => control.send(&Report::Missed(missed), None).await,
                    None => Ok(()),
                },
                Err(error) => Err(error),
            },
            Some(_) = pulses.join_next() => control.send(&Report::Alive, None).await,
            path = connections.asked() => control.send(&Report::Connect { path }, None).await,
            host = names.asked() => control.send(&Report::LookUp { host }, None).await,
            () = desk.asked() => control.send(&Report::AskHostState, None).await,
        };
        match done {
            Err(ControlError::Closed) => {
                outlive_the_supervisor(worker).await;
                return Ok(());
            }
            done => done?,
        }
    }
    worker.drain().await;
    Ok(())
}

/// Serves on until it is known whether another supervisor takes over, so that guests
/// miss none; then finishes what is under way, with nobody to end this process if that
/// takes too long.
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
