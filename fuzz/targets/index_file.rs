#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| weir_fuzz::index_file(data));
