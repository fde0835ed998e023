//! Collects two answers whole, and goes on with the first: cargo run --bin collect [QUESTION]

use std::process::ExitCode;

use sluice_examples::collector::{collect, Collector};
use sluice_examples::pb::{media, part};
use sluice_examples::{ask, call, connect, pb, print_end, question, run, show, user, Failure, DEADLINE};

fn described(part: &pb::Part) -> String {
    match &part.kind {
        Some(part::Kind::Text(text)) => format!("text {text}"),
        Some(part::Kind::Reasoning(reasoning)) => format!("reasoning {}", reasoning.text),
        Some(part::Kind::Refusal(refusal)) => format!("refusal {}", refusal.text),
        Some(part::Kind::ToolCall(call)) => format!("tool_call {} {}", call.name, call.arguments_json),
        Some(part::Kind::Media(media)) => {
            let bytes = match &media.source {
                Some(media::Source::Data(data)) => data.len(),
                _ => 0,
            };
            format!("media {}, {bytes} bytes, {}", media.mime_type, media.transcript)
        }
        _ => "states alone".to_string(),
    }
}

fn print_answer(answer: &Collector) {
    for choice in answer.choices() {
        let reason = answer.finish.get(&choice).map(|end| end.finish_reason()).unwrap_or_default();
        println!("choice {choice}: {}", reason.as_str_name().trim_start_matches("FINISH_REASON_").to_lowercase());
        for part in &answer.message(choice).parts {
            println!("  {} ({} citations, {} states)", described(part), part.citations.len(), part.states.len());
        }
    }
    if let Some(usage) = &answer.usage {
        println!("usage: {} in, {} out", usage.input_tokens(), usage.output_tokens());
    }
}

async fn two_turns() -> Result<(), Failure> {
    let mut client = connect().await?;
    let mut request = ask(&question("Why is the sky blue?", 0));
    request.n = Some(2);
    request.stream_options = Some(pb::StreamOptions { allow_restart: true, ..Default::default() });
    let stream = client.stream_chat(call(request.clone(), DEADLINE)).await?.into_inner();
    let answer = collect(stream, |_| {}).await?;
    print_answer(&answer);

    // The next turn: the answer goes back whole.
    request.messages.extend([answer.message(0), user("Go on.")]);
    request.n = None;
    let stream = client.stream_chat(call(request, DEADLINE)).await?.into_inner();
    let answer = collect(stream, show).await?;
    println!();
    print_end(&answer.end.clone().unwrap_or_default(), &answer.text(0));
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    run(two_turns()).await
}
