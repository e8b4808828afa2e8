//! `metadatad`: entry of both processes and of every command.

use std::process::ExitCode;

use clap::Parser;
use metadatad::app;
use metadatad::cli::Cli;
use metadatad::logging;

fn main() -> ExitCode {
    match app::main(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("metadatad: {}", logging::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
