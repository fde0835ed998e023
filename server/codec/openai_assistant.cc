// An assistant's turn in OpenAI's form: what the model said, thought and called
// goes back as it came.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/codec/ascii_text.h"
#include "server/codec/openai_message_parts.h"
#include "server/codec/openai_request.h"
#include "server/codec/openai_states.h"

namespace sluice {
namespace {

using v1::Message;
using v1::Part;

std::string_view KeyOf(Dialect::ReasoningKey key) {
  switch (key) {
    case Dialect::ReasoningKey::kReasoningContent:
      return "reasoning_content";
    case Dialect::ReasoningKey::kReasoning:
      return "reasoning";
    case Dialect::ReasoningKey::kNone:
      break;
  }
  return {};
}

// Texts that are one; copied only where there are several.
class WholeText {
 public:
  void Add(std::string_view more) {
    if (more.empty()) return;
    if (first_.empty()) {
      first_ = more;
      return;
    }
    if (joined_.empty()) joined_ = first_;
    joined_ += more;
  }
  bool empty() const { return first_.empty(); }
  std::string_view view() const { return joined_.empty() ? first_ : std::string_view(joined_); }

 private:
  std::string_view first_;
  std::string joined_;
};

class AssistantTurn {
 public:
  AssistantTurn(const Message& message, const std::string& field, const Dialect& dialect, JsonWriter& writer)
      : message_(message), field_(field), dialect_(dialect), writer_(writer), states_(dialect) {}

  absl::Status Read();

  // Reasoning alone is no turn: Kimi, Mistral and vLLM's Mistral templates
  // refuse what has neither content nor calls, whatever it thought.
  bool says_nothing() const { return text_.empty() && refusals_ == 0 && calls_.empty() && !spoke(); }

  void Write();

 private:
  // Reasoning that goes back under one key.
  struct Thought {
    std::string key;
    WholeText text;
  };

  // The provider has the sound, and knows it by a name.
  bool spoke() const { return states_.Has("audio"); }
  absl::Status ReadPart(const Part& part, const std::string& field);
  absl::Status ReadSound(const Part& part, const std::string& field);
  void ReadThought(const Part& part);
  void AddThought(std::string_view key, std::string_view text);
  void WriteContent();
  void WriteContentList();
  void WriteThinking(const std::string& text);
  void WriteRefusalPart(const std::string& text);
  void WriteToolCall(const Part& part);

  const Message& message_;
  const std::string& field_;
  const Dialect& dialect_;
  JsonWriter& writer_;

  // All of it: the parts of an answer are one text, and were never apart by
  // more than what the model wrote.
  WholeText text_;
  int spoken_ = 0;  // parts of text and refusal
  int refusals_ = 0;
  std::vector<const Part*> calls_;
  std::vector<Thought> thoughts_;
  std::vector<const Part*> thinking_;  // that goes back within `content`
  OpenAiStates states_;
};

absl::Status AssistantTurn::Read() {
  // Beside parts it says what one of them says.
  if (message_.parts().empty()) text_.Add(message_.text());
  for (int i = 0; i < message_.parts_size(); ++i) {
    if (absl::Status status = ReadPart(message_.parts(i), OpenAiPartField(field_, i)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status AssistantTurn::ReadPart(const Part& part, const std::string& field) {
  switch (part.kind_case()) {
    case Part::kText:
      ++spoken_;
      text_.Add(part.text());
      break;
    case Part::kRefusal:
      ++spoken_;
      ++refusals_;
      break;
    case Part::kReasoning:
      ReadThought(part);
      break;
    case Part::kToolCall:
      if (part.tool_call().id().empty()) return FieldError(field + ".tool_call.id", "required");
      if (part.tool_call().name().empty()) return FieldError(field + ".tool_call.name", "required");
      calls_.push_back(&part);
      return absl::OkStatus();  // its states stand in the call
    case Part::kMedia:
      if (absl::Status status = ReadSound(part, field); !status.ok()) return status;
      break;
    case Part::KIND_NOT_SET:
      if (part.states_size() == 0) return FieldError(field, "is empty");
      break;
    default:
      return WrongOpenAiPart(field, part, "an assistant message");
  }
  states_.Add(part);
  return absl::OkStatus();
}

// What was spoken goes back by its name; where no server there knows that, what was
// said goes back as text.
absl::Status AssistantTurn::ReadSound(const Part& part, const std::string& field) {
  const v1::Media& media = part.media();
  if (!StartsIgnoringCase(media.mime_type(), "audio/") && media.transcript().empty() && part.states().empty()) {
    return WrongOpenAiPart(field, part, "an assistant message");
  }
  OpenAiStates own(dialect_);
  own.Add(part);
  if (!own.Has("audio")) text_.Add(media.transcript());
  return absl::OkStatus();
}

// Its state tells in which form it came; else the dialect says.
void AssistantTurn::ReadThought(const Part& part) {
  if (!dialect_.takes_reasoning || part.reasoning().text().empty()) return;
  OpenAiStates own(dialect_);
  own.Add(part);
  if (own.Has("reasoning") || own.Has("reasoning_content")) return;  // the text is there
  const std::string& form = own.reasoning_key();
  if (form == kReasoningDetailsForm) return;
  if (form == kContentPartsForm) {
    thinking_.push_back(&part);
  } else if (!form.empty() && !IsOurOpenAiMember(form)) {
    AddThought(form, part.reasoning().text());
  } else if (const std::string_view key = KeyOf(dialect_.reasoning); !key.empty()) {
    AddThought(key, part.reasoning().text());
  }
}

void AssistantTurn::AddThought(std::string_view key, std::string_view text) {
  const auto same = std::find_if(thoughts_.begin(), thoughts_.end(), [&](const Thought& t) { return t.key == key; });
  Thought& thought = same != thoughts_.end() ? *same : thoughts_.emplace_back();
  thought.key = key;
  thought.text.Add(text);
}

void AssistantTurn::Write() {
  writer_.StartObject();
  WriteMember(writer_, "role", "assistant");
  if (!message_.name().empty()) WriteMember(writer_, "name", message_.name());
  WriteContent();
  for (const Thought& thought : thoughts_) {
    if (!states_.Has(thought.key)) WriteMember(writer_, thought.key, thought.text.view());
  }
  if (!calls_.empty()) {
    WriteKey(writer_, "tool_calls");
    writer_.StartArray();
    for (const Part* call : calls_) WriteToolCall(*call);
    writer_.EndArray();
  }
  states_.Write(writer_);
  writer_.EndObject();
}

void AssistantTurn::WriteContent() {
  if (refusals_ == 1 && spoken_ == 1 && thinking_.empty()) {
    for (const Part& part : message_.parts()) {
      if (part.has_refusal()) WriteMember(writer_, "refusal", part.refusal().text());
    }
    return;
  }
  if (text_.empty() && spoke() && refusals_ == 0 && thinking_.empty()) return;
  WriteKey(writer_, "content");
  if (refusals_ > 0 || !thinking_.empty()) {
    WriteContentList();
  } else if (text_.empty()) {
    writer_.Null();  // there are calls, or nothing would be written
  } else {
    WriteString(writer_, text_.view());
  }
}

void AssistantTurn::WriteContentList() {
  writer_.StartArray();
  size_t thinking = 0;
  for (const Part& part : message_.parts()) {
    if (part.has_text() && !part.text().empty()) WriteOpenAiTextPart(part.text(), writer_);
    if (part.has_refusal()) WriteRefusalPart(part.refusal().text());
    if (thinking < thinking_.size() && &part == thinking_[thinking]) {
      WriteThinking(part.reasoning().text());
      ++thinking;
    }
  }
  writer_.EndArray();
}

void AssistantTurn::WriteThinking(const std::string& text) {
  writer_.StartObject();
  WriteMember(writer_, "type", "thinking");
  WriteKey(writer_, "thinking");
  writer_.StartArray();
  WriteOpenAiTextPart(text, writer_);
  writer_.EndArray();
  writer_.EndObject();
}

void AssistantTurn::WriteRefusalPart(const std::string& text) {
  writer_.StartObject();
  WriteMember(writer_, "type", "refusal");
  WriteMember(writer_, "refusal", text);
  writer_.EndObject();
}

void AssistantTurn::WriteToolCall(const Part& part) {
  const v1::ToolCall& call = part.tool_call();
  const bool no_arguments = TrimBlanks(call.arguments_json()).empty();
  OpenAiStates states(dialect_);
  states.Add(part);
  writer_.StartObject();
  WriteMember(writer_, "id", call.id());
  WriteMember(writer_, "type", "function");
  WriteKey(writer_, "function");
  writer_.StartObject();
  WriteMember(writer_, "name", call.name());
  // vLLM, Bedrock's and others parse it, and an empty text is no JSON.
  WriteMember(writer_, "arguments", no_arguments ? std::string_view("{}") : call.arguments_json());
  writer_.EndObject();
  states.Write(writer_);
  writer_.EndObject();
}

}  // namespace

absl::StatusOr<bool> WriteOpenAiAssistant(const Message& message, const std::string& field, const Dialect& dialect,
                                          JsonWriter& writer) {
  AssistantTurn turn(message, field, dialect, writer);
  if (absl::Status status = turn.Read(); !status.ok()) return status;
  if (turn.says_nothing()) return false;
  turn.Write();
  return true;
}

}  // namespace sluice
