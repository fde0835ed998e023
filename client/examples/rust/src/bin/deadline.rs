//! Gives an answer a bound on time: cargo run --bin deadline SECONDS [QUESTION]
//!
//! The deadline travels with the call: the gateway plans its retries within it and ends
//! the upstream's work when it is over. tonic itself watches it only until the first
//! content, so the stream is put under it here too.

use std::process::ExitCode;
use std::time::Duration;

use sluice_examples::collector::collect;
use sluice_examples::{ask, call, connect, print_end, question, run, show, Failure};
use tonic::{Code, Status};

async fn ask_within(bound: Duration) -> Result<(), Failure> {
    let request = ask(&question("Why is the sky blue?", 1));
    let stream = connect().await?.stream_chat(call(request, bound)).await?.into_inner();
    let answer = collect(stream, show).await?;
    println!();
    print_end(&answer.end.clone().unwrap_or_default(), &answer.text(0));
    Ok(())
}

async fn deadline() -> Result<(), Failure> {
    let seconds = std::env::args().nth(1).ok_or("usage: deadline SECONDS [QUESTION]")?;
    let bound = Duration::try_from_secs_f64(seconds.parse()?)?;
    match tokio::time::timeout(bound, ask_within(bound)).await {
        // tonic's own timer says CANCELLED; nobody else cancels here.
        Ok(Err(failure)) if is_cancelled(&failure) => Err(too_late()),
        Ok(done) => done,
        Err(_) => Err(too_late()),
    }
}

fn is_cancelled(failure: &Failure) -> bool {
    failure.downcast_ref::<Status>().is_some_and(|status| status.code() == Code::Cancelled)
}

fn too_late() -> Failure {
    Status::deadline_exceeded("the answer took too long").into()
}

#[tokio::main]
async fn main() -> ExitCode {
    run(deadline()).await
}
