#include "tests/codec/event_text.h"

#include <simdjson.h>

#include <fstream>
#include <sstream>

namespace sluice {
namespace {

constexpr std::string_view kKinds[] = {"model",    "content",    "reasoning", "refusal", "tool-start",
                                       "tool-delta", "part-end", "choice-end", "usage",  "extras",
                                       "embedding",  "media",    "citation"};
constexpr std::string_view kReasons[] = {"unspecified", "stop",    "length", "tool_calls",
                                         "content_filter", "refusal", "other"};

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else {
      out.push_back(c);
    }
  }
  return out + "\"";
}

std::string Hex(std::string_view bytes) {
  std::string out;
  for (const unsigned char c : bytes) {
    out.push_back("0123456789abcdef"[c >> 4]);
    out.push_back("0123456789abcdef"[c & 15]);
  }
  return out;
}

void PutCount(std::ostream& out, const char* name, const std::optional<int32_t>& count) {
  if (count) out << " " << name << "=" << *count;
}

void PutUsage(std::ostream& out, const UsageCounts& usage) {
  PutCount(out, "input", usage.input_tokens);
  PutCount(out, "output", usage.output_tokens);
  PutCount(out, "total", usage.total_tokens);
  PutCount(out, "cached", usage.cached_input_tokens);
  PutCount(out, "reasoning", usage.reasoning_tokens);
}

void PutCitation(std::ostream& out, const CitationValue& source) {
  const std::pair<const char*, const std::string*> texts[] = {
      {"url", &source.url}, {"title", &source.title}, {"text", &source.cited_text}, {"file", &source.file_id}};
  for (const auto& [name, text] : texts) {
    if (!text->empty()) out << " " << name << "=" << Quoted(*text);
  }
  PutCount(out, "start", source.start);
  PutCount(out, "end", source.end);
}

}  // namespace

void EventText::OnEvent(const StreamEvent& event) {
  using Kind = StreamEvent::Kind;
  std::vector<std::string_view> texts = {event.text, event.id, event.name};
  if (event.citation != nullptr) {
    texts.insert(texts.end(), {event.citation->url, event.citation->title, event.citation->cited_text,
                               event.citation->file_id});
  }
  for (const std::string_view text : texts) {
    only_whole_utf8_ = only_whole_utf8_ && simdjson::validate_utf8(text.data(), text.size());
  }
  std::ostringstream out;
  const bool placed = (event.is_content() && event.kind != Kind::kExtras) || event.kind == Kind::kPartEnd ||
                      event.kind == Kind::kCitation;
  if (placed) out << event.choice << "." << event.part << " ";
  if (event.kind == Kind::kChoiceEnd) out << event.choice << " ";
  if (event.kind == Kind::kExtras && event.part != StreamEvent::kWholeAnswer) out << event.choice << " ";
  out << kKinds[static_cast<int>(event.kind)];
  if (event.kind == Kind::kToolCallStart) out << " " << Quoted(event.id) << " " << Quoted(event.name);
  if (event.kind == Kind::kChoiceEnd) out << " " << kReasons[static_cast<int>(event.finish_reason)];
  if (event.kind == Kind::kExtras) out << " " << event.id;
  if (event.kind == Kind::kPartEnd && !event.text.empty()) out << " " << event.name << " " << event.text;
  if (event.kind == Kind::kMedia) out << " " << (event.name.empty() ? "-" : event.name) << " " << Hex(event.data);
  if (event.citation != nullptr) PutCitation(out, *event.citation);
  const bool has_text = event.kind != Kind::kToolCallStart && event.kind != Kind::kPartEnd &&
                        event.kind != Kind::kUsage && event.kind != Kind::kCitation;
  if (has_text) out << " " << Quoted(event.text);
  if (event.usage != nullptr) PutUsage(out, *event.usage);
  if (event.logprobs != nullptr) {
    for (const TokenLogprobValue& token : *event.logprobs) {
      out << " [" << Quoted(token.token) << " " << Hex(token.raw) << " " << token.logprob;
      for (const TopLogprobValue& top : token.top) out << " | " << Quoted(top.token) << " " << Hex(top.raw) << " " << top.logprob;
      out << "]";
    }
  }
  text_ += out.str() + "\n";
}

void EventText::OnEnd(ResponseDecoder::State state, const UpstreamError& error) {
  if (state == ResponseDecoder::State::kDone) {
    text_ += "DONE\n";
  } else if (state == ResponseDecoder::State::kMore) {
    text_ += "MORE\n";
  } else {
    text_ += "FAILED " + std::string(TraitsOf(error.kind).name) + ": " + error.message + "\n";
    if (!error.code.empty()) text_ += "  code " + error.code + "\n";
  }
}

std::string DecodeToText(const std::vector<std::string_view>& pieces, size_t max_event_bytes) {
  AnswerOptions limits;
  limits.max_event_bytes = max_event_bytes;
  const std::unique_ptr<ResponseDecoder> decoder = OpenAiFormat().NewDecoder(limits);
  EventText events;
  auto state = ResponseDecoder::State::kMore;
  for (const std::string_view piece : pieces) {
    if (state != ResponseDecoder::State::kMore) break;
    // A copy of its own, so that a look beyond it is seen by ASan.
    const std::string copy(piece);
    state = decoder->Feed(copy, events);
  }
  if (state == ResponseDecoder::State::kMore) state = decoder->End(events);
  events.OnEnd(state, decoder->error());
  return events.only_whole_utf8() ? events.text() : events.text() + "NOT WHOLE UTF-8\n";
}

std::string ReadTestFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace sluice
