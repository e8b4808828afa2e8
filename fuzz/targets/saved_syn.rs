#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| metadatad::fuzzing::saved_syn(data));
