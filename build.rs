//! Compiles `proto/` without a `protoc` on the machine, and keeps its descriptors for the embedded network's field masks.
use std::{env, fs, path::Path};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).open_files(["soma/rpc/soma.proto", "google/rpc/error_details.proto"])?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
