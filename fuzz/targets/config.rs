#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    explaind_fuzz::config::run(data);
});
