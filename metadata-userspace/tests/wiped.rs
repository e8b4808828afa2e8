//! Memory that is given back has no secret of a briefing in it, in neither process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use metadatad::app::run::brief;
use metadatad::config::{Config, ConfigSource, ConfigSources};
use metadatad::supervisor::control::{from_memory_file, to_memory_file};
use metadatad::supervisor::orders::Briefing;
use zeroize::Zeroizing;

const SHARED_SECRET: &str = "shared-\"5ecret\"-of-the-test";
const KEY: &str = "a \"key\"\nof several lines,\nwhich is no PEM: nobody uses it here\n";

#[global_allocator]
static WATCHED: Watched = Watched;

/// The system's allocator, which looks at what comes back.
struct Watched;

/// How many pieces came back with a secret in them.
static TOLD: AtomicUsize = AtomicUsize::new(0);

/// Parts of the secrets as they are, and in the middle of their base64.
const TRACES: [&[u8]; 4] = [
    b"5ecret",
    b"several lines",
    b"I1ZWNyZXQiLW9m",
    b"ZiBzZXZlcmFsIGxpbmVz",
];

// SAFETY: all that is asked for is asked of the system's allocator as it was asked. To grow
// is what the trait makes of it: a new piece, and the old one back.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise. Zeroed, because all of it is looked at.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: this many bytes were allocated there, each with a value.
        let bytes = unsafe { slice::from_raw_parts(pointer, layout.size()) };
        let has = |trace: &[u8]| bytes.windows(trace.len()).any(|part| part == trace);
        if TRACES.into_iter().any(has) {
            TOLD.fetch_add(1, Ordering::SeqCst);
        }
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) };
    }
}

/// How many pieces of memory `act` gives back with a secret in them.
fn told<T>(act: impl FnOnce() -> T) -> (usize, T) {
    let before = TOLD.load(Ordering::SeqCst);
    let done = act();
    (TOLD.load(Ordering::SeqCst) - before, done)
}

fn briefing() -> Result<Briefing> {
    let directory = tempfile::tempdir()?;
    let path = |name: &str| directory.path().join(name);
    fs::write(path("key"), KEY)?;
    fs::write(path("cert"), "")?;
    let text = Zeroizing::new(format!(
        "[DEFAULT]\nmetadata_proxy_shared_secret = {SHARED_SECRET}\n\
         nova_metadata_protocol = https\nnova_client_cert = {}\nnova_client_priv_key = {}\n\
         [metadatad]\nresolver = inventory\ninventory = {}\n",
        path("cert").display(),
        path("key").display(),
        path("inventory").display(),
    ));
    fs::write(path("conf"), &*text)?;
    // So long that what grew would have moved, after the configuration was in it.
    let user_data = "x".repeat(100_000);
    let instance = format!(
        "[[instance]]\nuuid = \"00000001-0000-4000-8000-000000000000\"\nproject_id = \"p\"\n\
         name = \"n\"\nuser_data = \"{user_data}\"\n"
    );
    fs::write(path("inventory"), instance)?;
    brief(Config::load(&ConfigSources {
        from: vec![ConfigSource::File(path("conf"))],
        inventory: None,
    })?)
}

#[test]
fn no_secret_of_a_briefing_is_left_in_memory() -> Result<()> {
    for secret in [SHARED_SECRET, KEY] {
        assert!(told(|| drop(secret.to_owned())).0 > 0, "{secret}");
        assert!(told(|| drop(STANDARD.encode(secret))).0 > 0, "{secret}");
    }
    let (told_by_reading, briefing) = told(briefing);
    let briefing = briefing?;
    assert_eq!(told_by_reading, 0);
    let (told_by_sending, file) = told(|| to_memory_file(&briefing));
    assert_eq!(told_by_sending, 0);
    let file = file?;
    let (told_by_receiving, received) = told(|| from_memory_file::<Briefing>(Some(file)));
    let received = received?;
    assert_eq!(told_by_receiving, 0);
    assert_eq!(received.config.nova.shared_secret.0, SHARED_SECRET);
    assert!(received.nova_tls == briefing.nova_tls);
    assert_eq!(told(|| drop((briefing, received))).0, 0);
    Ok(())
}
