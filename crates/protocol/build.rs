//! Generates the agent protocol from its proto file; needs no protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=../../proto");
    let files = protox::compile(["synod/agent/v1/agent.proto"], ["../../proto"])?;
    // The manifest is the same for every node of a run: shared, not copied.
    tonic_prost_build::configure()
        .bytes(".synod.agent.v1.Assignment.manifest")
        .codec_path("crate::codec::SmallBuffers")
        .compile_fds(files)?;
    Ok(())
}
