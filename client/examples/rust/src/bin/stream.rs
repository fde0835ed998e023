//! Streams an answer: cargo run --bin stream [QUESTION]

use std::process::ExitCode;

use sluice_examples::collector::collect;
use sluice_examples::{ask, call, connect, pb, print_end, question, run, show, Failure, DEADLINE};

async fn stream() -> Result<(), Failure> {
    let mut request = ask(&question("Why is the sky blue?", 0));
    // A cut stream may begin anew; without this it fails.
    request.stream_options = Some(pb::StreamOptions { allow_restart: true, ..Default::default() });
    let stream = connect().await?.stream_chat(call(request, DEADLINE)).await?.into_inner();
    let answer = collect(stream, show).await?;
    println!();
    print_end(&answer.end.clone().unwrap_or_default(), &answer.text(0));
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    run(stream()).await
}
