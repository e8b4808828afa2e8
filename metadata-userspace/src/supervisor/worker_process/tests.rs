//! What a worker can do to the supervisor that has been taken over by a guest: here it is
//! the test itself, behind a process that sleeps.

use std::rc::Rc;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags};
use nix::unistd::{Gid, Uid};
use tokio::process::Command as Program;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::timeout;

use super::super::control::pair;
use super::*;
use crate::config::{Config, ConfigSource, ConfigSources};
use crate::upstream::TlsFiles;

/// Of reports, as many as are in the channel before the supervisor hears the first.
const MANY: usize = 150;

struct Fake {
    control: Control,
    commands: UnboundedSender<Command>,
    events: UnboundedReceiver<Event>,
    attended: JoinHandle<(End, WorkerProcess)>,
}

impl Fake {
    /// The supervisor attends to it as soon as something is awaited.
    fn start() -> Self {
        let (ours, its) = pair().unwrap();
        let mut sleeper = Program::new("sleep");
        let child = sleeper.arg("1000").kill_on_drop(true).spawn().unwrap();
        let control = Control::new(ours).unwrap();
        let mut worker = Spawned { child, control };
        let (commands, queue) = unbounded_channel();
        let (heard, events) = unbounded_channel();
        let account = Account {
            uid: Uid::effective(),
            gid: Gid::effective(),
            name: String::new(),
        };
        let succession = Rc::new(Succession::new().unwrap());
        let mut process = WorkerProcess::new(account, briefing(), succession, queue, heard);
        let attended = spawn_local(async move {
            let end = process.attend(&mut worker).await;
            (end, process)
        });
        Self {
            control: Control::new(its).unwrap(),
            commands,
            events,
            attended,
        }
    }

    async fn say(&self, report: Report) {
        self.control.send(&report, None).await.unwrap();
    }

    fn command(&self, command: Command) {
        assert!(self.commands.send(command).is_ok());
    }

    /// The next order after those that every worker gets.
    async fn order(&self) -> Order {
        loop {
            match self.control.receive().await.unwrap() {
                (Order::Start, _) => {}
                (order, _) => return order,
            }
        }
    }

    /// How often the supervisor was asked how the host is doing, after all was heard that
    /// this has said.
    async fn times_asked(&mut self) -> usize {
        let host = "nobody.invalid".to_owned();
        self.say(Report::LookUp { host }).await;
        while !matches!(self.order().await, Order::LookedUp(_)) {}
        let mut times = 0;
        while let Ok(event) = self.events.try_recv() {
            times += usize::from(event == Event::AskHostState);
        }
        times
    }

    async fn dismissed(self) -> WorkerProcess {
        drop(self.commands);
        self.attended.await.unwrap().1
    }
}

fn briefing() -> Briefing {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[DEFAULT]\nnova_metadata_host = 127.0.0.1\n").unwrap();
    let sources = ConfigSources {
        from: vec![ConfigSource::File(file.path().to_owned())],
        inventory: None,
    };
    Briefing {
        config: Config::load(&sources).unwrap(),
        inventory: Inventory::default(),
        nova_tls: TlsFiles::default(),
        keystone_tls: TlsFiles::default(),
        ovn_tls: TlsFiles::default(),
        rabbit_tls: TlsFiles::default(),
    }
}

#[tokio::test]
async fn however_often_it_asks_the_hosts_state_is_told_once_at_a_time() {
    let check = async {
        let mut fake = Fake::start();
        for _ in 0..2 {
            for _ in 0..MANY {
                fake.say(Report::AskHostState).await;
            }
            assert_eq!(fake.times_asked().await, 1);
            fake.command(Command::HostState(HostState::default()));
            assert!(matches!(fake.order().await, Order::HostState));
        }
    };
    LocalSet::new().run_until(check).await;
}

#[tokio::test]
async fn a_second_set_of_guests_sockets_ends_it() {
    let check = async {
        let fake = Fake::start();
        for _ in 0..2 {
            let set = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
            let sent = fake.control.send(&Report::Guests, Some(set.0.as_fd()));
            sent.await.unwrap();
        }
        let ended = timeout(Duration::from_secs(10), fake.attended).await;
        assert!(matches!(ended.unwrap().unwrap().0, End::Died(Ok(_))));
    };
    LocalSet::new().run_until(check).await;
}

#[tokio::test]
async fn what_it_was_never_ordered_to_take_is_not_noted_as_missed() {
    let check = async {
        let mut fake = Fake::start();
        for id in 0..MANY {
            let missed = Missed::Listener(u64::try_from(id).unwrap());
            fake.say(Report::Missed(missed)).await;
        }
        assert_eq!(fake.times_asked().await, 0);
        assert!(fake.dismissed().await.missed.is_empty());
    };
    LocalSet::new().run_until(check).await;
}

#[tokio::test]
async fn however_much_it_says_orders_reach_it() {
    let check = async {
        let fake = Fake::start();
        let host = "nobody.invalid".to_owned();
        for _ in 0..MANY {
            fake.say(Report::LookUp { host: host.clone() }).await;
        }
        // It is heard from now on, and has said more than is heard in one turn.
        assert!(matches!(fake.order().await, Order::LookedUp(_)));
        fake.command(Command::Ready);
        let mut answers_before = 1;
        while !matches!(fake.order().await, Order::Ready) {
            answers_before += 1;
        }
        assert!(answers_before < MANY, "{answers_before}");
    };
    LocalSet::new().run_until(check).await;
}
