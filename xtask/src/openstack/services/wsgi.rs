//! A WSGI application under uwsgi.

use super::super::place::Place;
use super::super::service::{Ready, Service};

/// One process with some threads, as DevStack runs them.
pub(super) fn service(
    place: &Place,
    name: &'static str,
    module: &str,
    port: u16,
    configuration: Vec<(&'static str, String)>,
    files: Vec<std::path::PathBuf>,
) -> Service {
    let address = format!("127.0.0.1:{port}");
    let mut command = vec![place.program("uwsgi")];
    let options = [
        "--http-socket",
        &address,
        "--module",
        module,
        "--master",
        "--die-on-term",
        "--need-app",
        "--enable-threads",
        "--lazy-apps",
        "--threads",
        "4",
        "--buffer-size",
        "65535",
        // Its plain HTTP socket closes without saying so.
        "--add-header",
        "Connection: close",
    ];
    command.extend(options.map(str::to_owned));
    Service {
        name,
        command,
        environment: configuration,
        files,
        ready: Ready::Port(port),
    }
}
