//! How long a guest waits when its router is new and many others are served.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};

use super::estate::{self, Estate};
use crate::lab::guest::{Guest, METADATA};
use crate::lab::http;
use crate::lab::router::{Router, Subnet};
use crate::stop;

const GIVE_UP: Duration = Duration::from_secs(30);
/// Long enough for one cable, and short beside what is measured: an answer that is lost
/// while the hook is made is waited for so long.
const CONNECT: Duration = Duration::from_millis(1);
const PAUSE: Duration = Duration::from_micros(200);
const ANSWER: Duration = Duration::from_secs(10);

/// A router and its guest, ready but for the name by which the daemon would know it.
pub(super) struct Newcomer {
    guest: Guest,
    router: Router,
}

impl Newcomer {
    pub(super) fn prepare() -> Result<Self> {
        let router = Router::create()?;
        let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
        let newcomer = Self { guest, router };
        // So that neighbours are known already.
        newcomer.is_answered()?;
        Ok(newcomer)
    }

    /// From the name to the first answer; the name is taken away again.
    pub(super) fn time_to_answer(&self, estate: &Estate) -> Result<Duration> {
        let name = estate.last_name();
        let began = Instant::now();
        estate::publish(&self.router.namespace().path(), &name)?;
        while !self.is_answered()? {
            stop::check()?;
            ensure!(began.elapsed() < GIVE_UP, "a new router gives no answer");
            thread::sleep(PAUSE);
        }
        let waited = began.elapsed();
        estate::withdraw(&name)?;
        Ok(waited)
    }

    fn is_answered(&self) -> Result<bool> {
        let namespace = self.guest.namespace();
        let connected =
            namespace.enter(|| TcpStream::connect_timeout(&METADATA.into(), CONNECT))?;
        Ok(connected.is_ok_and(|stream| answers(stream).is_ok()))
    }
}

/// Whoever is unknown gets an answer too, which is all that is asked for here.
pub(super) fn answers(mut stream: TcpStream) -> Result<()> {
    http::set_timeouts(&stream, ANSWER)?;
    leave_nothing(&stream)?;
    let response = http::get(&mut stream, "/openstack/latest/meta_data.json", "")?;
    ensure!(response.status == 404, "status {}", response.status);
    Ok(())
}

/// The kernel is not to remember the connection for a minute, in memory that is measured.
fn leave_nothing(stream: &TcpStream) -> Result<()> {
    let reset = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    Ok(setsockopt(stream, sockopt::Linger, &reset)?)
}
