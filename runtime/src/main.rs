//! The binary `trasloco`: the runtime with the application inside.

/// Made by `cargo xtask build`; empty otherwise (`.cargo/config.toml`).
static BUNDLE: &[u8] = include_bytes!(env!("TRASLOCO_BUNDLE"));

fn main() -> std::process::ExitCode {
    runtime::main(BUNDLE)
}
