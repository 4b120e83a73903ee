//! The time stamp counter of the processor.

/// Whether the counter runs at one rate whatever the processor does.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[expect(unsafe_code)]
pub(super) fn is_steady() -> bool {
    use std::arch::x86_64::__cpuid;
    const EXTENDED: u32 = 0x8000_0000;
    const POWER: u32 = 0x8000_0007;
    const INVARIANT_COUNTER: u32 = 1 << 8;
    // SAFETY: every processor of this architecture has the instruction.
    #[allow(unused_unsafe, reason = "safe from Rust 1.94 on")]
    unsafe {
        __cpuid(EXTENDED).eax >= POWER && __cpuid(POWER).edx & INVARIANT_COUNTER != 0
    }
}

/// The counter now.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[expect(unsafe_code)]
#[inline]
pub(super) fn read() -> u64 {
    // SAFETY: the instruction reads a register and nothing else. Where the operating system forbids it, it has no such clock itself, and
    // no program that reads the time through its vDSO would run.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
pub(super) fn is_steady() -> bool {
    false
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline]
pub(super) fn read() -> u64 {
    0
}
