//! Lets the model call a function of ours until it answers: cargo run --bin tools [QUESTION]

use std::process::ExitCode;

use serde::Deserialize;
use sluice_examples::collector::collect;
use sluice_examples::pb::part;
use sluice_examples::{ask, call, connect, pb, print_end, question, run, Failure, DEADLINE};

const MAX_ROUNDS: usize = 5;

fn get_weather_tool() -> pb::Tool {
    pb::Tool {
        name: "get_weather".to_string(),
        description: "The weather in a city.".to_string(),
        parameters_json: r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#.to_string(),
        ..Default::default()
    }
}

#[derive(Deserialize)]
struct Arguments {
    city: String,
}

fn get_weather(arguments_json: &str) -> Result<String, Failure> {
    let arguments: Arguments = serde_json::from_str(arguments_json)?;
    match arguments.city.as_str() {
        "Paris" => Ok(r#"{"celsius":21}"#.to_string()),
        "Oslo" => Ok(r#"{"celsius":9}"#.to_string()),
        _ => Err("no such city".into()),
    }
}

/// A tool that fails is a result too: the model reads it and goes another way.
fn call_tool(call: &pb::ToolCall) -> pb::ToolResult {
    let result = match call.name.as_str() {
        "get_weather" => get_weather(&call.arguments_json),
        _ => Err("no such tool".into()),
    };
    let is_error = result.is_err();
    let text = result.unwrap_or_else(|error| error.to_string());
    let failed = if is_error { "error: " } else { "" };
    println!("tool {} {} -> {failed}{text}", call.name, call.arguments_json);
    pb::ToolResult { tool_call_id: call.id.clone(), text, is_error, ..Default::default() }
}

async fn tools() -> Result<(), Failure> {
    let mut client = connect().await?;
    let mut request = ask(&question("What is the weather in Paris?", 0));
    request.tools.push(get_weather_tool());
    for _ in 0..MAX_ROUNDS {
        let stream = client.stream_chat(call(request.clone(), DEADLINE)).await?.into_inner();
        let answer = collect(stream, |_| {}).await?;
        let message = answer.message(0);
        let calls = message.parts.iter().filter_map(|part| match &part.kind {
            Some(part::Kind::ToolCall(call)) => Some(call),
            _ => None,
        });
        let results: Vec<pb::Part> = calls
            .map(|call| pb::Part { kind: Some(part::Kind::ToolResult(call_tool(call))), ..Default::default() })
            .collect();
        if results.is_empty() {
            println!("{}", answer.text(0));
            print_end(&answer.end.clone().unwrap_or_default(), &answer.text(0));
            return Ok(());
        }
        // Whole, with its reasoning and states: the provider wants them back.
        request.messages.push(message);
        request.messages.push(pb::Message { role: pb::Role::Tool.into(), parts: results, ..Default::default() });
    }
    Err(format!("no answer after {MAX_ROUNDS} rounds of tools").into())
}

#[tokio::main]
async fn main() -> ExitCode {
    run(tools()).await
}
