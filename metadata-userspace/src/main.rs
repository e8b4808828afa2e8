//! `metadatad`: entry of both processes and of every command.

use std::process::ExitCode;

use clap::Parser;
use metadatad::cli::Cli;
use metadatad::{app, logging, shim};

fn main() -> ExitCode {
    if let Some(arguments) = shim::arguments_of_haproxy() {
        return shim::run(&arguments);
    }
    match app::main(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("metadatad: {}", logging::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
