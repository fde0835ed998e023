//! Ends calls early, in both ways: cargo run --bin cancel [QUESTION]
//!
//! tonic tells the server when the stream is dropped, and only then: a loop that is left
//! while the stream lives on (in a struct, in a task that goes on) lets the model write,
//! and somebody pays. So: let the stream go out of scope with the loop, or drop() it.

use std::process::ExitCode;

use sluice_examples::collector::collect;
use sluice_examples::pb::chat_event::Kind;
use sluice_examples::{ask, call, connect, pb, print_end, question, run, show, Failure, DEADLINE};
use tokio::sync::oneshot;
use tonic::transport::Channel;
use tonic::Status;

type Client = pb::gateway_client::GatewayClient<Channel>;

/// As a stop button would. Rust's way is to drop the future that reads; there is then no
/// status, so we make one.
async fn cancelled_from_outside(client: &mut Client, request: pb::ChatRequest) -> Result<(), Failure> {
    let stream = client.stream_chat(call(request, DEADLINE)).await?.into_inner();
    let (stop, stopped) = oneshot::channel();
    let (mut stop, mut shown) = (Some(stop), String::new());
    let reading = collect(stream, |text| {
        shown = text.to_string();
        if let Some(stop) = stop.take() {
            let _ = stop.send(()); // From any task.
        }
    });
    let status = tokio::select! {
        answer = reading => answer.err().ok_or("the answer was faster")?,
        _ = stopped => Status::cancelled("stopped").into(),
    };
    let status = status.downcast::<Status>()?;
    println!("cancelled after {shown:?}: {}", sluice_examples::code_name(status.code()));
    Ok(())
}

async fn leaves_the_loop(client: &mut Client, request: pb::ChatRequest) -> Result<(), Failure> {
    let mut stream = client.stream_chat(call(request, DEADLINE)).await?.into_inner();
    while let Some(response) = stream.message().await? {
        let mut text = String::new();
        for event in response.events {
            if let Some(Kind::Content(delta)) = event.kind {
                text.push_str(&delta.text);
            }
        }
        if !text.is_empty() {
            println!("left the loop after {text:?}");
            break;
        }
    }
    drop(stream); // As the end of the function would.
    Ok(())
}

async fn cancel() -> Result<(), Failure> {
    let mut client = connect().await?;
    let request = ask(&question("Why is the sky blue?", 0));
    cancelled_from_outside(&mut client, request.clone()).await?;
    leaves_the_loop(&mut client, request.clone()).await?;
    // Only the calls are over: the connection goes on.
    let stream = client.stream_chat(call(request, DEADLINE)).await?.into_inner();
    let answer = collect(stream, show).await?;
    println!();
    print_end(&answer.end.clone().unwrap_or_default(), &answer.text(0));
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    run(cancel()).await
}
