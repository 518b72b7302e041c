//! Memory that is mapped for one purpose only: advice about it must not outlive it in the heap of the process.

use std::ptr::NonNull;

const HUGE_PAGE: usize = 2 << 20;

/// Zeroed, resident, and aligned to a huge page.
pub struct Area {
    start: NonNull<u8>,
    bytes: usize,
    #[cfg(target_os = "linux")]
    mapping: (*mut libc::c_void, usize),
}

// SAFETY: it owns its memory.
unsafe impl Send for Area {}

impl Area {
    pub fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// At least what was requested.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(target_os = "linux")]
impl Area {
    /// With two hints to the system: huge pages, since a hash reads blocks in no order, and no copy in a core dump.
    pub fn zeroed(bytes: usize) -> Result<Area, String> {
        let bytes = bytes.next_multiple_of(HUGE_PAGE);
        // Room to begin at a huge page.
        let length = bytes + HUGE_PAGE;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping, at an address that the system chooses.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), length, access, kind, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(format!("no memory for {bytes} bytes: {}", std::io::Error::last_os_error()));
        }
        let start = base.cast::<u8>().map_addr(|address| address.next_multiple_of(HUGE_PAGE));
        for advice in [libc::MADV_HUGEPAGE, libc::MADV_DONTDUMP] {
            // Hashes are the same without, so a system that knows no such advice is no error.
            // SAFETY: within the mapping.
            unsafe { libc::madvise(start.cast(), bytes, advice) };
        }
        // SAFETY: within the mapping. The system provides zeros itself, but only at the first access: too little memory would end
        // the process during a hash, and not at its start.
        unsafe { start.write_bytes(0, bytes) };
        let start = NonNull::new(start).ok_or("mapped at address 0")?;
        Ok(Area { start, bytes, mapping: (base, length) })
    }
}

#[cfg(target_os = "linux")]
impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: mapped with this length, and nothing refers to it any more.
        unsafe { libc::munmap(self.mapping.0, self.mapping.1) };
    }
}

#[cfg(not(target_os = "linux"))]
mod heap {
    use super::{Area, HUGE_PAGE};
    use std::alloc::{Layout, alloc_zeroed, dealloc};
    use std::ptr::NonNull;

    fn layout(bytes: usize) -> Result<Layout, String> {
        Layout::from_size_align(bytes, HUGE_PAGE).map_err(|error| error.to_string())
    }

    impl Area {
        pub fn zeroed(bytes: usize) -> Result<Area, String> {
            let bytes = bytes.next_multiple_of(HUGE_PAGE);
            // SAFETY: the layout is not empty.
            let start = NonNull::new(unsafe { alloc_zeroed(layout(bytes)?) });
            let start = start.ok_or(format!("no memory for {bytes} bytes"))?;
            Ok(Area { start, bytes })
        }
    }

    impl Drop for Area {
        fn drop(&mut self) {
            let layout = layout(self.bytes).expect("it was allocated with this layout");
            // SAFETY: allocated with this layout, and nothing refers to it any more.
            unsafe { dealloc(self.start.as_ptr(), layout) };
        }
    }
}
