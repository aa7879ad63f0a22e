//! Generates the gRPC code from `proto/` with `protox`, so that building needs no `protoc`.

use std::error::Error;

const PROTOCOL: [&str; 1] = ["proto/tfplugin6.proto"];
const PLUGIN: [&str; 3] = [
    "proto/go_plugin/grpc_broker.proto",
    "proto/go_plugin/grpc_controller.proto",
    "proto/go_plugin/grpc_stdio.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let builder = || {
        // The client half drives the protocol tests.
        tonic_prost_build::configure().build_transport(false).build_client(true)
    };
    builder()
        .codec_path("crate::tfplugin::message_codec::MessageCodec")
        .compile_fds(protox::compile(PROTOCOL, ["proto"])?)?;
    builder().compile_fds(protox::compile(PLUGIN, ["proto"])?)?;
    Ok(())
}
