//! Asks about an image: cargo run --bin image FILE [QUESTION]

use std::path::Path;
use std::process::ExitCode;

use sluice_examples::collector::collect;
use sluice_examples::pb::{media, part};
use sluice_examples::{ask, call, connect, pb, print_end, question, run, show, Failure, DEADLINE};

fn mime_type(path: &str) -> &'static str {
    match Path::new(path).extension().and_then(|ending| ending.to_str()) {
        Some("gif") => "image/gif",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        _ => "image/png",
    }
}

fn part(kind: part::Kind) -> pb::Part {
    pb::Part { kind: Some(kind), ..Default::default() }
}

async fn image() -> Result<(), Failure> {
    let path = std::env::args().nth(1).ok_or("usage: image FILE [QUESTION]")?;
    let media = pb::Media {
        mime_type: mime_type(&path).to_string(),
        // An image on the web: Source::Url("https://...") in place of data.
        source: Some(media::Source::Data(std::fs::read(&path)?)),
        ..Default::default()
    };
    let mut request = ask("");
    request.messages[0].parts =
        vec![part(part::Kind::Text(question("What is in this image?", 1))), part(part::Kind::Media(media))];
    let stream = connect().await?.stream_chat(call(request, DEADLINE)).await?.into_inner();
    let answer = collect(stream, show).await?;
    println!();
    print_end(&answer.end.clone().unwrap_or_default(), &answer.text(0));
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    run(image()).await
}
