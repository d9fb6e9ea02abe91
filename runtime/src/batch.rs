//! Threads of their own for slices, so that whoever asks for a page does not wait behind them.

use anyhow::Result;
use tokio::runtime::{Builder, Handle, Runtime};

/// Threads for each processor.
const THREADS_PER_PROCESSOR: usize = 4;
/// How much the slices' threads stand back where pages want the processor, as `nice` counts.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// The threads; they end with this value, and with them whatever still runs there.
pub(crate) struct Batch(Option<Runtime>);

impl Batch {
    /// More threads than processors: some wait for the disk, and who waits together is written
    /// together.
    pub(crate) fn start() -> Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        builder.worker_threads(processors * THREADS_PER_PROCESSOR);
        builder.thread_name("slices").on_thread_start(stand_back).enable_all();
        Ok(Batch(Some(builder.build()?)))
    }

    /// Where slices are put.
    pub(crate) fn handle(&self) -> Option<Handle> {
        self.0.as_ref().map(|runtime| runtime.handle().clone())
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // What slices need is in the store.
            runtime.shutdown_background();
        }
    }
}

fn stand_back() {
    #[cfg(target_os = "linux")]
    {
        // On Linux a thread has a priority of its own. Where it cannot be had, nothing is lost.
        let thread = rustix::thread::gettid();
        let _ = rustix::process::setpriority_process(Some(thread), NICE);
    }
}
