#include "server/codec/openai_answer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/codec/json_text.h"

namespace sluice {
namespace {

// Far beyond what models ask for at once; bounds what a hostile upstream can
// make us remember.
constexpr size_t kMaxToolCalls = 1024;
constexpr size_t kMaxHeldLogprobs = 4096;

struct FinishRow {
  std::string_view word;
  FinishReason reason;
};

constexpr FinishRow kFinishReasons[] = {
    {"stop", FinishReason::kStop},
    {"length", FinishReason::kLength},
    {"tool_calls", FinishReason::kToolCalls},
    {"function_call", FinishReason::kToolCalls},
    {"content_filter", FinishReason::kContentFilter},
};

FinishReason FinishReasonOf(std::string_view word) {
  for (const FinishRow& row : kFinishReasons) {
    if (row.word == word) return row.reason;
  }
  return FinishReason::kOther;
}

// A piece of an id or name: the next one, or the whole again.
void Merge(std::string_view piece, std::string& whole) {
  if (piece != whole) whole.append(piece);
}

bool Same(const UsageCounts& a, const UsageCounts& b) {
  return a.input_tokens == b.input_tokens && a.output_tokens == b.output_tokens && a.total_tokens == b.total_tokens &&
         a.cached_input_tokens == b.cached_input_tokens && a.reasoning_tokens == b.reasoning_tokens;
}

StreamEvent EventOf(StreamEvent::Kind kind, int choice, int part) {
  StreamEvent event;
  event.kind = kind;
  event.choice = choice;
  event.part = part;
  return event;
}

}  // namespace

bool OpenAiAnswer::Fail(FailureKind kind, std::string message) {
  error_.kind = kind;
  error_.message = std::move(message);
  return false;
}

OpenAiAnswer::Choice& OpenAiAnswer::ChoiceOf(int index) {
  for (Choice& choice : choices_) {
    if (choice.index == index) return choice;
  }
  ++unfinished_;
  choices_.emplace_back().index = index;
  return choices_.back();
}

bool OpenAiAnswer::Apply(const OpenAiChunk& chunk, StreamEventHandler& handler) {
  if (!model_told_ && !chunk.model().empty()) {
    model_told_ = true;
    const std::string model = WholeUtf8(UnescapeJson(chunk.model(), text_scratch_));
    StreamEvent event = EventOf(StreamEvent::Kind::kModel, 0, 0);
    event.text = model;
    handler.OnEvent(event);
  }
  for (size_t i = 0; i < chunk.choice_count(); ++i) {
    const OpenAiChoiceDelta& delta = chunk.choice(i);
    if (!ApplyChoice(delta, ChoiceOf(static_cast<int>(delta.index)), handler)) return false;
  }
  if (chunk.has_usage()) OnUsage(chunk.usage(), handler);
  return true;
}

bool OpenAiAnswer::ApplyChoice(const OpenAiChoiceDelta& delta, Choice& choice, StreamEventHandler& handler) {
  if (choice.finished) {
    const bool empty =
        delta.content.empty() && delta.reasoning.empty() && delta.refusal.empty() && delta.tools.empty();
    if (empty) return true;
    return Fail(FailureKind::kProtocol, absl::StrCat("content after the end of choice ", choice.index));
  }
  choice.logprobs.insert(choice.logprobs.end(), delta.logprobs.begin(), delta.logprobs.end());
  if (choice.logprobs.size() > kMaxHeldLogprobs) {
    return Fail(FailureKind::kProtocol, absl::StrCat("more than ", kMaxHeldLogprobs, " logprobs without text"));
  }
  if (!OnText(PartKind::kReasoning, delta.reasoning, choice, handler)) return false;
  if (!OnText(PartKind::kContent, delta.content, choice, handler)) return false;
  if (!OnText(PartKind::kRefusal, delta.refusal, choice, handler)) return false;
  for (const OpenAiToolDelta& tool : delta.tools) {
    if (!OnTool(tool, choice, handler)) return false;
  }
  return delta.finish_reason.empty() || OnFinish(delta.finish_reason, choice, handler);
}

bool OpenAiAnswer::OnText(PartKind kind, std::string_view raw, Choice& choice, StreamEventHandler& handler) {
  if (raw.empty()) return true;
  if (!OpenPart(kind, choice, handler)) return false;
  const std::string_view text = choice.joiner.Join(UnescapeJson(raw, text_scratch_));
  if (!text.empty()) EmitText(kind, text, choice, handler);
  return true;
}

void OpenAiAnswer::EmitText(PartKind kind, std::string_view text, Choice& choice, StreamEventHandler& handler) {
  StreamEvent event = EventOf(StreamEvent::Kind::kContent, choice.index, choice.parts.current());
  event.text = text;
  if (kind == PartKind::kReasoning) event.kind = StreamEvent::Kind::kReasoning;
  if (kind == PartKind::kRefusal) event.kind = StreamEvent::Kind::kRefusal;
  if (kind == PartKind::kTool) event.kind = StreamEvent::Kind::kToolCallDelta;
  if (kind == PartKind::kContent && !choice.logprobs.empty()) event.logprobs = &choice.logprobs;
  handler.OnEvent(event);
  if (kind == PartKind::kContent) choice.logprobs.clear();
}

bool OpenAiAnswer::OpenPart(PartKind kind, Choice& choice, StreamEventHandler& handler) {
  if (choice.open == kind) return true;
  if (!ClosePart(choice, handler)) return false;
  choice.open = kind;
  // Logprobs are of content; there is no place for those of other parts.
  if (kind != PartKind::kContent) choice.logprobs.clear();
  if (kind == PartKind::kContent) choice.has_content = true;
  if (kind == PartKind::kRefusal) choice.has_refusal = true;
  if (kind != PartKind::kTool) choice.parts.Open();
  return true;
}

bool OpenAiAnswer::ClosePart(Choice& choice, StreamEventHandler& handler) {
  const PartKind kind = choice.open;
  choice.open = PartKind::kNone;
  if (kind == PartKind::kNone) return true;
  if (kind == PartKind::kTool) {
    choice.ended_tools.push_back(choice.tool.index);
    if (!choice.tool.started && !StartTool(choice, handler)) return false;
  }
  const std::string_view rest = choice.joiner.Flush();
  const bool logprobs_left = kind == PartKind::kContent && !choice.logprobs.empty();
  if (!rest.empty() || logprobs_left) EmitText(kind, rest, choice, handler);
  choice.parts.Close();
  handler.OnEvent(EventOf(StreamEvent::Kind::kPartEnd, choice.index, choice.parts.current()));
  return true;
}

bool OpenAiAnswer::OnNewTool(int64_t index, Choice& choice, StreamEventHandler& handler) {
  if (!ClosePart(choice, handler)) return false;
  if (choice.ended_tools.size() >= kMaxToolCalls) {
    return Fail(FailureKind::kProtocol, absl::StrCat("more than ", kMaxToolCalls, " tool calls"));
  }
  choice.tool = Tool();
  choice.tool.index = index;
  return OpenPart(PartKind::kTool, choice, handler);
}

bool OpenAiAnswer::OnTool(const OpenAiToolDelta& delta, Choice& choice, StreamEventHandler& handler) {
  const std::string_view id = UnescapeJson(delta.id, id_scratch_);
  const std::string_view name = UnescapeJson(delta.name, name_scratch_);
  Tool& tool = choice.tool;
  const bool is_open = choice.open == PartKind::kTool;
  const bool same_index = delta.index == tool.index || delta.index < 0;
  const bool other_id = tool.started && !id.empty() && !name.empty() && id != tool.id;
  if (!is_open || !same_index || other_id) {
    const bool ended = delta.index >= 0 && !other_id &&
                       std::find(choice.ended_tools.begin(), choice.ended_tools.end(), delta.index) !=
                           choice.ended_tools.end();
    if (ended && delta.arguments.empty()) return true;
    if (ended) {
      return Fail(FailureKind::kProtocol, absl::StrCat("tool call ", delta.index, " goes on after it ended"));
    }
    if (!OnNewTool(delta.index, choice, handler)) return false;
  }
  if (!tool.started) {
    Merge(id, tool.id);
    Merge(name, tool.name);
    if (tool.id.size() + tool.name.size() > max_held_bytes_) {
      return Fail(FailureKind::kProtocol, "a tool call's id and name are too long");
    }
  }
  return OnToolArguments(UnescapeJson(delta.arguments, text_scratch_), choice, handler);
}

bool OpenAiAnswer::OnToolArguments(std::string_view arguments, Choice& choice, StreamEventHandler& handler) {
  Tool& tool = choice.tool;
  if (!tool.started) {
    if (arguments.empty() && tool.held_arguments.empty()) return true;
    if (tool.name.empty()) {
      tool.held_arguments.append(arguments);
      if (tool.held_arguments.size() <= max_held_bytes_) return true;
      return Fail(FailureKind::kProtocol, "a tool call's arguments came without its name");
    }
    if (!StartTool(choice, handler)) return false;
  }
  const std::string_view text = choice.joiner.Join(arguments);
  if (!text.empty()) EmitText(PartKind::kTool, text, choice, handler);
  return true;
}

bool OpenAiAnswer::StartTool(Choice& choice, StreamEventHandler& handler) {
  Tool& tool = choice.tool;
  if (tool.name.empty()) return Fail(FailureKind::kProtocol, "a tool call without a name");
  tool.started = true;
  const int part = choice.parts.Open();
  const std::string id = tool.id.empty() ? absl::StrCat("call_", choice.index, "_", part) : WholeUtf8(tool.id);
  const std::string name = WholeUtf8(tool.name);
  StreamEvent event = EventOf(StreamEvent::Kind::kToolCallStart, choice.index, part);
  event.id = id;
  event.name = name;
  handler.OnEvent(event);
  const std::string held = std::exchange(tool.held_arguments, {});
  const std::string_view text = choice.joiner.Join(held);
  if (!text.empty()) EmitText(PartKind::kTool, text, choice, handler);
  return true;
}

bool OpenAiAnswer::OnFinish(std::string_view raw, Choice& choice, StreamEventHandler& handler) {
  const std::string word = WholeUtf8(UnescapeJson(raw, text_scratch_));
  // OpenRouter's word for a generation that broke off at the provider.
  if (word == "error") return Fail(FailureKind::kServerError, "the upstream ended the answer with \"error\"");
  if (!ClosePart(choice, handler)) return false;
  choice.finished = true;
  --unfinished_;
  StreamEvent event = EventOf(StreamEvent::Kind::kChoiceEnd, choice.index, 0);
  event.finish_reason = FinishReasonOf(word);
  if (event.finish_reason == FinishReason::kStop && choice.has_refusal && !choice.has_content) {
    event.finish_reason = FinishReason::kRefusal;
  }
  event.text = word;
  handler.OnEvent(event);
  return true;
}

void OpenAiAnswer::OnUsage(const UsageCounts& usage, StreamEventHandler& handler) {
  // vLLM sends it with every chunk where asked to, and many send zeros before
  // they know: only news is told.
  if (Same(usage, usage_)) return;
  usage_ = usage;
  StreamEvent event = EventOf(StreamEvent::Kind::kUsage, 0, 0);
  event.usage = &usage_;
  handler.OnEvent(event);
}

}  // namespace sluice
