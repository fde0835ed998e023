//! Asks for JSON that follows a schema, whole: cargo run --bin structured [QUESTION]

use std::process::ExitCode;

use serde::Deserialize;
use sluice_examples::collector::text_of;
use sluice_examples::pb::{part, response_format};
use sluice_examples::{ask, call, connect, pb, print_end, question, run, Failure, DEADLINE};

const SCHEMA: &str = r#"{"type":"object","properties":{"city":{"type":"string"},"celsius":{"type":"integer"}},"required":["city","celsius"],"additionalProperties":false}"#;

#[derive(Deserialize)]
struct Weather {
    city: String,
    celsius: i64,
}

async fn structured() -> Result<(), Failure> {
    let mut request = ask(&question("How warm is it in Paris?", 0));
    let schema = pb::JsonSchemaFormat {
        name: "weather".to_string(),
        schema_json: SCHEMA.to_string(),
        strict: Some(true),
        ..Default::default()
    };
    request.response_format = Some(pb::ResponseFormat { kind: Some(response_format::Kind::JsonSchema(schema)) });

    // Chat: half a JSON document is of no use to a program.
    let response = connect().await?.chat(call(request, DEADLINE)).await?.into_inner();
    let choice = response.choices.first().ok_or("no choice")?;
    let message = choice.message.clone().unwrap_or_default();
    for part in &message.parts {
        if let Some(part::Kind::Refusal(refusal)) = &part.kind {
            return Err(format!("the model refused: {}", refusal.text).into());
        }
    }
    if choice.finish_reason() != pb::FinishReason::Stop {
        return Err(format!("not whole: {}", choice.finish_reason().as_str_name()).into());
    }
    let text = text_of(&message);
    let weather: Weather = serde_json::from_str(&text)?;
    println!("city: {}\ncelsius: {}", weather.city, weather.celsius);
    print_end(&response.end.unwrap_or_default(), &text);
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    run(structured()).await
}
