#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pop::laws::login(bytes));
