//! Runs one target under libFuzzer: the one that `PEER_SENDER_TARGET` names.
//!
//! One program for all targets is built and linked once. It counts what is allocated, so that a
//! target can hold memory to its bound by what was asked of the allocator (I21).
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use libfuzzer_sys::{Corpus, fuzz_target};
use peer_sender_fuzz::{TARGETS, Target, memory};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    static TARGET: OnceLock<&Target> = OnceLock::new();
    let target = TARGET.get_or_init(|| {
        memory::set_meter(|| ALLOCATED.load(Ordering::Relaxed));
        chosen()
    });
    match (target.run)(bytes) {
        true => Corpus::Keep,
        false => Corpus::Reject,
    }
});

fn chosen() -> &'static Target {
    let name = std::env::var("PEER_SENDER_TARGET").unwrap_or_default();
    let named = TARGETS.iter().find(|target| target.name == name);
    named.unwrap_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        panic!("PEER_SENDER_TARGET must be one of {names:?}, and is {name:?}")
    })
}

/// The system's allocator, counted.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is handed to the system's allocator as it came; counting touches no memory
// but a counter.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATED.fetch_add(size, Ordering::Relaxed);
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.realloc(memory, layout, size) }
    }
}
