//! Events of a stream -> whole messages, which can be appended to the next request.

use std::collections::BTreeMap;

use tonic::Streaming;

use crate::pb;
use crate::pb::chat_event::Kind;
use crate::pb::{media, part};
use crate::Failure;

/// The answer so far. Takes every event of one stream, in order.
#[derive(Default)]
pub struct Collector {
    pub started: Option<pb::Started>,
    pub usage: Option<pb::Usage>,
    pub end: Option<pb::End>,
    /// By choice.
    pub finish: BTreeMap<i32, pb::ChoiceEnd>,
    /// By choice and part: parts may be open side by side, each delta goes to its own.
    parts: BTreeMap<i32, BTreeMap<i32, pb::Part>>,
}

impl Collector {
    pub fn add(&mut self, event: pb::ChatEvent) {
        match event.kind {
            Some(Kind::Started(started)) => self.started = Some(started),
            Some(Kind::ChoiceEnd(end)) => {
                self.finish.insert(event.choice, end);
            }
            // Replaces; it is never added up.
            Some(Kind::Usage(usage)) => self.usage = Some(usage),
            Some(Kind::End(end)) => self.end = Some(end),
            // What was shown is void.
            Some(Kind::Continuation(how)) if how.mode() == pb::ContinuationMode::Restart => *self = Self::default(),
            Some(Kind::Continuation(_) | Kind::Extras(_)) => {}
            Some(kind) => {
                let parts = self.parts.entry(event.choice).or_default();
                add_to_part(parts.entry(event.part).or_default(), kind);
            }
            None => {} // A kind that this program does not know.
        }
    }

    pub fn choices(&self) -> Vec<i32> {
        self.parts.keys().copied().collect()
    }

    /// As the next request's history wants it: with reasoning, tool calls and states.
    pub fn message(&self, choice: i32) -> pb::Message {
        let parts = self.parts.get(&choice).into_iter().flat_map(BTreeMap::values);
        // A citation alone makes no part.
        let parts = parts.filter(|part| part.kind.is_some() || !part.states.is_empty()).cloned().collect();
        pb::Message { role: pb::Role::Assistant.into(), parts, ..Default::default() }
    }

    pub fn text(&self, choice: i32) -> String {
        text_of(&self.message(choice))
    }
}

pub fn text_of(message: &pb::Message) -> String {
    let texts = message.parts.iter().filter_map(|part| match &part.kind {
        Some(part::Kind::Text(text)) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn add_to_part(part: &mut pb::Part, kind: Kind) {
    match (&mut part.kind, kind) {
        (Some(part::Kind::Text(text)), Kind::Content(delta)) => text.push_str(&delta.text),
        (_, Kind::Content(delta)) => part.kind = Some(part::Kind::Text(delta.text)),
        (Some(part::Kind::Reasoning(reasoning)), Kind::Reasoning(delta)) => reasoning.text.push_str(&delta.text),
        (_, Kind::Reasoning(delta)) => part.kind = Some(part::Kind::Reasoning(pb::Reasoning { text: delta.text })),
        (Some(part::Kind::Refusal(refusal)), Kind::Refusal(delta)) => refusal.text.push_str(&delta.text),
        (_, Kind::Refusal(delta)) => part.kind = Some(part::Kind::Refusal(pb::Refusal { text: delta.text })),
        (_, Kind::ToolCallStart(pb::ToolCallStart { id, name })) => {
            part.kind = Some(part::Kind::ToolCall(pb::ToolCall { id, name, ..Default::default() }));
        }
        (Some(part::Kind::ToolCall(call)), Kind::ToolCallDelta(delta)) => {
            call.arguments_json.push_str(&delta.arguments_json);
        }
        (Some(part::Kind::Media(media)), Kind::Media(delta)) => add_media(media, delta),
        (_, Kind::Media(delta)) => {
            let mut media = pb::Media::default();
            add_media(&mut media, delta);
            part.kind = Some(part::Kind::Media(media));
        }
        (_, Kind::Citation(citation)) => part.citations.push(citation),
        (_, Kind::PartEnd(end)) => part.states.extend(end.states),
        _ => {}
    }
}

fn add_media(media: &mut pb::Media, delta: pb::MediaDelta) {
    if !delta.mime_type.is_empty() {
        media.mime_type = delta.mime_type;
    }
    match &mut media.source {
        Some(media::Source::Data(data)) => data.extend(delta.data),
        source => *source = Some(media::Source::Data(delta.data)),
    }
    media.transcript.push_str(&delta.transcript);
}

/// Reads a stream to its end. Only a stream with its end record is an answer.
pub async fn collect(
    mut stream: Streaming<pb::StreamChatResponse>,
    mut on_text: impl FnMut(&str),
) -> Result<Collector, Failure> {
    let mut collector = Collector::default();
    while let Some(response) = stream.message().await? {
        for event in response.events {
            match &event.kind {
                Some(Kind::Content(delta)) if event.choice == 0 => on_text(&delta.text),
                Some(Kind::Continuation(how)) if how.mode() == pb::ContinuationMode::Restart => {
                    on_text("\n--- cut; the answer begins anew ---\n");
                }
                _ => {}
            }
            collector.add(event);
        }
    }
    match collector.end {
        Some(_) => Ok(collector),
        None => Err("no end record: the answer is incomplete".into()),
    }
}
