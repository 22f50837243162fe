//! Generates the stubs from ../../proto at each build. protox reads the protos, so no protoc is
//! needed.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let proto = Path::new("../../proto");
    println!("cargo:rerun-if-changed={}", proto.display());
    let services = ["points", "policies", "ledger"];
    let files = services.map(|name| proto.join(format!("points/v1/{name}.proto")));
    let files = protox::compile(files, [proto])?;
    tonic_prost_build::configure()
        .build_server(false)
        // The same messages that tonic-types reads errors with.
        .extern_path(".google.rpc", "::tonic_types::pb")
        .compile_fds(files)?;
    Ok(())
}
