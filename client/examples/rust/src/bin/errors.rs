//! Decodes why a call failed, with tonic-types: cargo run --bin errors [QUESTION]

use std::process::ExitCode;

use prost::Message;
use sluice_examples::collector::{collect, Collector};
use sluice_examples::{ask, call, code_name, connect, pb, print_end, question, run, show, Failure, DEADLINE};
use tonic::Status;
use tonic_types::StatusExt;

fn print_failure(failure: &Status) -> Result<(), Failure> {
    println!("status: {}", code_name(failure.code()));
    println!("message: {}", failure.message());
    if failure.details().is_empty() {
        return Ok(()); // The gateway was not reached.
    }
    let status = tonic_types::pb::Status::decode(failure.details())?;
    println!("details: {}", status.message);
    let standard = failure.check_error_details()?;
    if let Some(info) = standard.error_info() {
        println!("reason: {}", info.reason);
    }
    // When to try again; without it, do not.
    if let Some(delay) = standard.retry_info().and_then(|retry| retry.retry_delay) {
        println!("retry after: {} ms", delay.as_millis());
    }
    // What is the gateway's own is found by its name.
    for detail in status.details.iter().filter(|detail| detail.type_url.ends_with("/sluice.v1.AttemptList")) {
        let tried = pb::AttemptList::decode(detail.value.as_slice())?;
        for attempt in &tried.attempts {
            println!(
                "attempt {}/{}: {}, {}, HTTP {}, {}",
                attempt.upstream,
                attempt.endpoint,
                attempt.outcome,
                attempt.error_class,
                attempt.http_status,
                attempt.error_message
            );
        }
        println!("attempts omitted: {}", tried.omitted);
    }
    Ok(())
}

async fn answer() -> Result<Collector, Failure> {
    let request = ask(&question("Why is the sky blue?", 0));
    let stream = connect().await?.stream_chat(call(request, DEADLINE)).await?.into_inner();
    collect(stream, show).await
}

async fn errors() -> Result<(), Failure> {
    match answer().await {
        Ok(answer) => {
            println!();
            print_end(&answer.end.clone().unwrap_or_default(), &answer.text(0));
            Ok(())
        }
        Err(failure) => {
            print_failure(failure.downcast::<Status>()?.as_ref())?;
            std::process::exit(1);
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    run(errors()).await
}
