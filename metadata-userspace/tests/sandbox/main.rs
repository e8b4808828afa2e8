//! What a process can do once it is in the worker's sandbox, tried from inside, by root
//! with every capability: nothing but the sandbox is in the way.
//!
//! Each attempt has a process of its own, because some end it, and there is no way back
//! from the sandbox. Outside of it the same attempt succeeds, or it would prove nothing.
//! What Landlock refuses, only kernels that know that much of it do; each attempt is also
//! made as if the kernel had none.

mod attempts;
mod outcome;
mod sockets;
mod world;

use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result, bail};
use metadatad::worker::sandbox;

use attempts::{ATTEMPTS, Attempt};
use outcome::{Ended, Outcome};
use world::{Place, World};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.first().map(String::as_str) {
        Some(world::ATTEMPT) => attempt(&arguments),
        _ => prove(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// As the process of one attempt.
fn attempt(arguments: &[String]) -> Result<()> {
    let (name, place, world) = World::of_arguments(arguments)?;
    let attempt = ATTEMPTS.iter().find(|attempt| attempt.name == name);
    let attempt = attempt.with_context(|| format!("no attempt {name}"))?;
    match place {
        Place::Inside => enter(&world)?,
        Place::InsideWithoutLandlock => {
            world::forget_landlock()?;
            enter(&world)?;
        }
        Place::Outside => world::leave_mounts_alone()?,
    }
    // What holds for the first thread has to hold for those that it makes.
    let made = thread::spawn(move || (attempt.make)(&world));
    let made = made.join().ok().context("the attempt panicked")?;
    Outcome::of(made).print();
    Ok(())
}

fn enter(world: &World) -> Result<()> {
    outcome::print_landlock(sandbox::enter(&world.config)?.landlock);
    Ok(())
}

/// Makes every attempt whose name has one of the words that `cargo test` was given.
fn prove(words: &[String]) -> Result<()> {
    let words: Vec<_> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let is_meant = |attempt: &&Attempt| {
        words.is_empty() || words.iter().any(|word| attempt.name.contains(*word))
    };
    let mut failures = 0;
    for attempt in ATTEMPTS.iter().filter(is_meant) {
        match prove_one(attempt) {
            Ok(remark) => println!("test {} ... ok{remark}", attempt.name),
            Err(error) => {
                println!("test {} ... FAILED: {error:#}", attempt.name);
                failures += 1;
            }
        }
    }
    match failures {
        0 => Ok(()),
        failures => bail!("{failures} attempts ended in another way than expected"),
    }
}

fn prove_one(attempt: &Attempt) -> Result<String> {
    let outside = world::run(attempt, Place::Outside)?;
    if outside.outcome != Outcome::Done {
        bail!("outside of the sandbox: {}", outside.outcome);
    }
    // As a kernel without Landlock would.
    let ended = world::run(attempt, Place::InsideWithoutLandlock)?;
    judge(attempt, &ended).context("without Landlock")?;
    let ended = world::run(attempt, Place::Inside)?;
    judge(attempt, &ended)?;
    match (ended.landlock, attempt.landlock) {
        (known, needed) if known < needed => Ok(format!(
            ": it is done, since this takes Landlock ABI {needed} and the kernel has {known}"
        )),
        _ => Ok(String::new()),
    }
}

fn judge(attempt: &Attempt, ended: &Ended) -> Result<()> {
    let expected = attempt.expected_with(ended.landlock);
    if ended.outcome != expected {
        bail!("{}, where {expected} was expected", ended.outcome);
    }
    Ok(())
}
