//! Weights of strangers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use somascope::model::Model;

fuzz_target!(|bytes: &[u8]| {
    if Model::from_safetensors(bytes, None).is_ok() {
        return;
    }
    // Noise seldom has a header: a length before it that fits gets further in.
    let header = [&(bytes.len() as u64).to_le_bytes()[..], bytes].concat();
    let _ = Model::from_safetensors(&header, None);
});
