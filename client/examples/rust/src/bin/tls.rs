//! Speaks TLS: SLUICE_CA=ca.pem cargo run --bin tls [QUESTION]

use std::process::ExitCode;

use sluice_examples::collector::collect;
use sluice_examples::pb::gateway_client::GatewayClient;
use sluice_examples::{ask, call, print_end, question, run, server, show, Failure, DEADLINE};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

fn roots() -> Result<ClientTlsConfig, Failure> {
    Ok(match std::env::var("SLUICE_CA") {
        Ok(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(std::fs::read(path)?)),
        Err(_) => ClientTlsConfig::new().with_webpki_roots(),
    })
}

async fn tls() -> Result<(), Failure> {
    let endpoint = Endpoint::from_shared(format!("https://{}", server()))?.tls_config(roots()?)?;
    let mut client = GatewayClient::new(endpoint.connect_lazy());
    let request = ask(&question("Why is the sky blue?", 0));
    let stream = client.stream_chat(call(request, DEADLINE)).await?.into_inner();
    let answer = collect(stream, show).await?;
    println!();
    print_end(&answer.end.clone().unwrap_or_default(), &answer.text(0));
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    run(tls()).await
}
