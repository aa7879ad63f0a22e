//! Generates the gRPC code from `proto/` with `protox`, so that building needs no `protoc`.

use std::error::Error;

const PROTOS: [&str; 4] = [
    "proto/tfplugin6.proto",
    "proto/go_plugin/grpc_broker.proto",
    "proto/go_plugin/grpc_controller.proto",
    "proto/go_plugin/grpc_stdio.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    tonic_prost_build::configure()
        .build_transport(false)
        // The client half drives the protocol tests.
        .build_client(true)
        .compile_fds(descriptors)?;
    Ok(())
}
