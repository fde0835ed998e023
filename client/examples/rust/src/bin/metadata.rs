//! Sends and reads metadata: SLUICE_TENANT=name cargo run --bin metadata KEY [QUESTION]
//!
//! The same request under the same idempotency key is answered once: run it twice.

use std::process::ExitCode;

use sluice_examples::collector::collect;
use sluice_examples::{ask, call, connect, print_end, question, run, show, variable, Failure, DEADLINE};
use tonic::metadata::MetadataMap;

/// In the initial metadata; of a call that failed before content in the trailers, which
/// tonic gives with the status. It names the call in the gateway's log: keep it with
/// what you log.
fn print_call_id(received: &MetadataMap) {
    let id = received.get("sluice-call-id").and_then(|value| value.to_str().ok());
    println!("\ncall id: {}", id.unwrap_or_default());
}

async fn metadata() -> Result<(), Failure> {
    let key = std::env::args().nth(1).ok_or("usage: metadata KEY [QUESTION]")?;
    let mut request = call(ask(&question("Why is the sky blue?", 1)), DEADLINE);
    request.metadata_mut().insert("idempotency-key", key.parse()?);
    request.metadata_mut().insert("sluice-tenant", variable("SLUICE_TENANT", "examples").parse()?);

    let response = match connect().await?.stream_chat(request).await {
        Ok(response) => response,
        Err(status) => {
            print_call_id(status.metadata());
            return Err(status.into());
        }
    };
    let initial = response.metadata().clone();
    let answer = collect(response.into_inner(), show).await;
    print_call_id(&initial);
    let answer = answer?;
    print_end(&answer.end.clone().unwrap_or_default(), &answer.text(0));
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    run(metadata()).await
}
