use spanwright::tool;

unsafe extern "C" {
    #[tool]
    fn printf(format: *const std::ffi::c_char, ...) -> i32;
}

fn main() {}
