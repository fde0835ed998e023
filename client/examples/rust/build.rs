// Generates Rust from the protos of this repository; needs protoc.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let protos = "../../../proto";
    tonic_prost_build::configure()
        .build_server(false)
        .compile_protos(&[format!("{protos}/sluice/v1/gateway.proto")], &[protos.to_string()])?;
    Ok(())
}
