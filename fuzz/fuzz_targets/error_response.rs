#![no_main]

use terraform_provider_oss::fuzz;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run("error_response", data));
