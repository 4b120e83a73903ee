use spanwright::tool;

unsafe extern "C" {
    #[tool]
    fn printf(format: *const std::ffi::c_char, ...) -> i32;
}

// That the definition is unstable is rustc's own word.
#[tool]
unsafe extern "C" fn count(n: u32, _rest: ...) -> u32 {
    n
}

fn main() {}
