//! An allocator that counts what each thread holds, for tests of limits.
//!
//! A component has 64 MiB. What code holds at the most is measured where it can be measured in
//! milliseconds: natively, in the thread of the test, whatever other tests do meanwhile.
//!
//! ```ignore
//! #[global_allocator]
//! static COUNTING: counting::Counting = counting::Counting;
//!
//! let (list, peak) = counting::peak_of(|| make_a_list());
//! assert!(peak < 1 << 20);
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The allocator of the system, counted.
pub struct Counting;

fn add(octets: isize) {
    // A thread that is ending has no counters any more; nobody asks for them then.
    let _ = HELD.try_with(|held| {
        let now = held.get() + octets;
        held.set(now);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now)));
    });
}

fn octets(size: usize) -> isize {
    isize::try_from(size).unwrap_or(isize::MAX)
}

// SAFETY: everything is done by the allocator of the system; counting touches two cells of the thread,
// which need no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(octets(layout.size()));
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        add(-octets(layout.size()));
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // For a moment both may be there, as in linear memory where there is no room behind.
        add(octets(new_size));
        // SAFETY: as the caller promised.
        let new = unsafe { System.realloc(at, layout, new_size) };
        add(-octets(layout.size()));
        new
    }
}

/// What `work` gives, and the most octets that it held at a time beyond what this thread held before.
pub fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.with(Cell::get);
    PEAK.with(|peak| peak.set(before));
    let done = work();
    let most = PEAK.with(Cell::get) - before;
    (done, usize::try_from(most).unwrap_or(0))
}
