//! The binary; the command line is in `explaind::commands`.

use std::process::ExitCode;

/// Returns freed memory to the system, whichever thread allocated it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// Nothing else belongs here: whatever this crate calls asynchronously would be compiled in it a
// second time, with all that it awaits.
fn main() -> ExitCode {
    explaind::commands::run()
}
