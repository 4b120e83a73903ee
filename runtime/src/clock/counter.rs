//! The time stamp counter of the processor.

/// Whether the counter runs at one rate whatever the processor does, and alike on all processors.
///
/// The first the processor says itself. The second only the operating system knows, which watches the counters: sockets may disagree, and
/// so may the machines a virtual one moves between.
#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(super) fn is_steady() -> bool {
    is_invariant() && is_the_clock_of_the_system()
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[expect(unsafe_code)]
fn is_invariant() -> bool {
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

/// Whether Linux tells the time by the counter; where it cannot be asked, it is taken not to.
#[cfg(all(target_arch = "x86_64", not(miri), target_os = "linux"))]
fn is_the_clock_of_the_system() -> bool {
    const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    // `kvm-clock` corrects the counter of each processor for itself, and is taken where the counter alone is not to be trusted.
    std::fs::read_to_string(SOURCE).is_ok_and(|name| matches!(name.trim(), "tsc" | "hyperv_clocksource_tsc_page"))
}

/// Other systems tell the time by an invariant counter, or do not say.
#[cfg(all(target_arch = "x86_64", not(miri), not(target_os = "linux")))]
fn is_the_clock_of_the_system() -> bool {
    true
}

/// The counter now. To be called where it [is steady](is_steady), or in the tests.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[expect(unsafe_code)]
#[inline]
pub(super) fn read() -> u64 {
    // SAFETY: the instruction is part of the architecture, and reads a register and nothing else. Where it is forbidden (`PR_SET_TSC`),
    // the process gets a signal, which is no undefined behaviour; reading the clock of a system that uses the counter gives the same.
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
