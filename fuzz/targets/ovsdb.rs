#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| metadatad::fuzzing::ovsdb(data));
