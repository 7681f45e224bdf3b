//! Writes the service's server and client, without a protocol compiler.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let codec = "crate::codec::JsonCodec";
    let session = Method::builder()
        .name("session")
        .route_name("Session")
        .input_type("hostler_model::channel::FromAgent")
        .output_type("hostler_model::channel::ToAgent")
        .codec_path(codec)
        .client_streaming()
        .server_streaming()
        .build();
    let enrol = Method::builder()
        .name("enrol")
        .route_name("Enrol")
        .input_type("crate::enrol::EnrolRequest")
        .output_type("crate::enrol::EnrolReply")
        .codec_path(codec)
        .build();
    let renew = Method::builder()
        .name("renew")
        .route_name("Renew")
        .input_type("crate::renewal::RenewRequest")
        .output_type("crate::renewal::RenewReply")
        .codec_path(codec)
        .build();
    let stream = Method::builder()
        .name("stream")
        .route_name("Stream")
        .input_type("bytes::Bytes")
        .output_type("bytes::Bytes")
        .codec_path("crate::codec::RawCodec")
        .client_streaming()
        .server_streaming()
        .build();
    let wire = Service::builder().name("Wire").package("hostler");
    let wire = wire.method(session).method(enrol).method(renew).method(stream).build();
    Builder::new().build_transport(false).compile(&[wire]);
}
