#![no_main]

use std::panic;
use std::sync::Once;

// The tokenizers crate panics on some invalid files, which the service catches. Only panics outside
// of the registry's crates are findings.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !info.location().is_some_and(|location| location.file().contains("/registry/src/")) {
                default(info);
            }
        }));
    });
    let _ = panic::catch_unwind(|| explaind_fuzz::tokenizer::run(data));
});
