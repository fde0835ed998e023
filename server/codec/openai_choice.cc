#include "server/codec/openai_choice.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/codec/json_members.h"
#include "server/codec/json_text.h"
#include "server/codec/openai_finish.h"

namespace sluice {
namespace {

constexpr size_t kMaxHeldLogprobs = 4096;
constexpr std::string_view kIssuer = "openai";
// What most servers call reasoning, and where it goes back unless a state says
// otherwise.
constexpr std::string_view kUsualReasoningKey = "reasoning_content";

// Several chunks may each bring a list, whose elements are one list then.
void JoinMember(std::string_view key, std::string_view json, std::vector<std::pair<std::string, std::string>>& members) {
  const auto found = std::find_if(members.begin(), members.end(), [&](const auto& own) { return own.first == key; });
  if (found == members.end()) {
    members.emplace_back(key, json);
  } else if (found->second.size() > 2 && json.size() > 2 && found->second.front() == '[' && json.front() == '[') {
    found->second.back() = ',';
    found->second.append(json.substr(1));
  } else {
    found->second.assign(json);
  }
}

}  // namespace

StreamEvent OpenAiChoice::EventOf(StreamEvent::Kind kind, int part) const {
  StreamEvent event;
  event.kind = kind;
  event.choice = index_;
  event.part = part;
  return event;
}

bool OpenAiChoice::Add(const OpenAiChoiceDelta& delta, StreamEventHandler& handler) {
  handler_ = &handler;
  // A last chunk may have the whole message again beside its deltas.
  const bool repetition = delta.is_message && has_content() && !is_message_;
  if (!repetition) {
    if (delta.has_content()) {
      is_message_ = delta.is_message;
      finished_early_ = finished_early_ || finished();
    }
    if (!AddTexts(delta)) return false;
    if (!delta.audio.json.empty()) AddAudio(delta.audio);
  }
  if (!delta.citations.empty()) citations().Add(delta.citations);
  if (citations_ != nullptr) TellCitations();
  if (!delta.finish_reason.empty()) AddFinish(delta.finish_reason);
  return problem_.empty();
}

bool OpenAiChoice::AddTexts(const OpenAiChoiceDelta& delta) {
  if (!delta.logprobs.empty()) {
    logprobs_.insert(logprobs_.end(), delta.logprobs.begin(), delta.logprobs.end());
    if (logprobs_.size() > kMaxHeldLogprobs) {
      problem_ = absl::StrCat("more than ", kMaxHeldLogprobs, " logprobs without text");
      return false;
    }
  }
  AddReasoning(delta);
  if (!delta.state.empty() || !delta.details.empty()) AddState(delta);
  for (const OpenAiPiece& piece : delta.pieces) {
    using Kind = OpenAiPiece::Kind;
    const Text text = piece.kind == Kind::kContent ? Text::kContent
                                                   : piece.kind == Kind::kRefusal ? Text::kRefusal : Text::kReasoning;
    if (text == Text::kReasoning) reasoning_key_ = "content_parts";
    AddText(text, piece.text);
  }
  AddText(Text::kContent, delta.content);
  AddText(Text::kRefusal, delta.refusal);
  for (const OpenAiToolDelta& tool : delta.tools) {
    if (tools_ == nullptr) tools_ = std::make_unique<OpenAiToolCalls>(max_held_bytes_);
    if (tools_->Add(tool, *this)) continue;
    problem_ = tools_->problem();
    return false;
  }
  return true;
}

void OpenAiChoice::AddReasoning(const OpenAiChoiceDelta& delta) {
  if (!delta.reasoning.empty()) {
    reasoning_key_ = delta.reasoning_key;
    return AddText(Text::kReasoning, delta.reasoning);
  }
  // The details hold the text too, and where nothing else does they are it.
  for (const OpenAiDetail& detail : delta.details) {
    if (detail.text.empty()) continue;
    if (reasoning_key_.empty()) reasoning_key_ = "reasoning_details";
    AddText(Text::kReasoning, detail.text);
  }
}

void OpenAiChoice::AddState(const OpenAiChoiceDelta& delta) {
  if (state_ == nullptr) state_ = std::make_unique<State>(max_held_bytes_);
  for (const OpenAiDetail& detail : delta.details) state_->details.Add(detail);
  for (const OpenAiMember& member : delta.state) {
    state_->bytes += member.json.size();
    if (state_->bytes <= max_held_bytes_) JoinMember(member.key, WholeUtf8(member.json), state_->members);
  }
}

void OpenAiChoice::AddText(Text kind, std::string_view raw) {
  if (raw.empty()) return;
  if (open_ != kind) {
    CloseText();
    open_ = kind;
    open_part_ = parts_++;
    // Logprobs are of content; there is no place for those of other parts.
    if (kind != Text::kContent) logprobs_.clear();
    has_content_ = has_content_ || kind == Text::kContent;
    has_refusal_ = has_refusal_ || kind == Text::kRefusal;
  }
  const std::string_view text = joiner_.Join(UnescapeJson(raw, scratch_));
  if (!text.empty()) Show(kind, text);
}

void OpenAiChoice::Show(Text kind, std::string_view text) {
  StreamEvent event = EventOf(StreamEvent::Kind::kContent, open_part_);
  event.text = text;
  if (kind == Text::kReasoning) event.kind = StreamEvent::Kind::kReasoning;
  if (kind == Text::kRefusal) event.kind = StreamEvent::Kind::kRefusal;
  if (kind == Text::kContent && !logprobs_.empty()) event.logprobs = &logprobs_;
  handler_->OnEvent(event);
  if (kind != Text::kContent) return;
  cited_part_ = open_part_;
  logprobs_.clear();
}

void OpenAiChoice::CloseText() {
  const Text kind = std::exchange(open_, Text::kNone);
  if (kind == Text::kNone) return;
  const std::string_view rest = joiner_.Flush();
  const bool logprobs_left = kind == Text::kContent && !logprobs_.empty();
  if (!rest.empty() || logprobs_left) Show(kind, rest);
  if (kind == Text::kReasoning && state_ != nullptr && kept_reasoning_ < 0) {
    kept_reasoning_ = open_part_;
  } else {
    EndPart(open_part_, kind == Text::kReasoning);
  }
}

void OpenAiChoice::AddAudio(const OpenAiAudioDelta& delta) {
  if (audio_ == nullptr) audio_ = std::make_unique<OpenAiAudio>(audio_format_);
  OpenAiAudio::Piece piece;
  odd_audio_ = !audio_->Add(delta, piece);
  ShowAudio(piece);
}

void OpenAiChoice::ShowAudio(const OpenAiAudio::Piece& piece) {
  if (piece.empty()) return;
  if (audio_->part < 0) audio_->part = parts_++;
  has_content_ = true;
  StreamEvent event = EventOf(StreamEvent::Kind::kMedia, audio_->part);
  event.data = piece.data;
  event.text = piece.transcript;
  event.name = piece.mime_type;
  handler_->OnEvent(event);
}

// The provider knows the sound by its name when the conversation goes on.
void OpenAiChoice::EndAudio() {
  ShowAudio(audio_->Flush());
  if (audio_->part >= 0) EndPart(audio_->part, /*reasoning=*/false, audio_->id());
}

OpenAiCitations& OpenAiChoice::citations() {
  if (citations_ == nullptr) citations_ = std::make_unique<OpenAiCitations>(max_held_bytes_);
  return *citations_;
}

void OpenAiChoice::Cite(std::vector<CitationValue> sources, StreamEventHandler& handler) {
  handler_ = &handler;
  citations().AddValues(std::move(sources));
  TellCitations();
}

// Never before what they belong to.
void OpenAiChoice::TellCitations() {
  if (cited_part_ < 0 || !citations_->waits()) return;
  for (const CitationValue& source : citations_->Take()) {
    StreamEvent event = EventOf(StreamEvent::Kind::kCitation, cited_part_);
    event.citation = &source;
    handler_->OnEvent(event);
  }
}

// Where there is no text, something else was shown.
void OpenAiChoice::EndCitations() {
  if (cited_part_ < 0 && parts_ > 0) cited_part_ = 0;
  TellCitations();
}

void OpenAiChoice::EndPart(int part, bool reasoning, std::string_view audio_id) {
  StreamEvent event = EventOf(StreamEvent::Kind::kPartEnd, part);
  const std::string state = StateJson(reasoning, audio_id);
  event.text = state;
  if (!state.empty()) event.name = kIssuer;
  handler_->OnEvent(event);
}

std::string OpenAiChoice::StateJson(bool reasoning, std::string_view audio_id) {
  JsonMembers members;
  if (!audio_id.empty()) {
    JsonMembers audio;
    audio.AddText("id", audio_id);
    members.Add("audio", audio.Object());
  }
  if (reasoning && !reasoning_key_.empty() && reasoning_key_ != kUsualReasoningKey) {
    members.AddText("sluice_reasoning_key", reasoning_key_);
  }
  if (state_ != nullptr) {
    const std::string details = state_->details.Json();
    if (!details.empty()) members.Add("reasoning_details", WholeUtf8(details));
    for (const auto& [key, json] : state_->members) members.Add(key, json);
    state_.reset();
  }
  return members.empty() ? std::string() : members.Object();
}

int OpenAiChoice::BeginTool(std::string_view id, std::string_view name) {
  CloseText();
  has_tools_ = true;
  StreamEvent event = EventOf(StreamEvent::Kind::kToolCallStart, parts_++);
  const std::string own_id =
      id.empty() ? absl::StrCat("call_", std::string(answer_id_), "_", index_, "_", event.part) : WholeUtf8(id);
  const std::string own_name = WholeUtf8(name);
  event.id = own_id;
  event.name = own_name;
  handler_->OnEvent(event);
  return event.part;
}

void OpenAiChoice::AddArguments(int part, std::string_view text) {
  StreamEvent event = EventOf(StreamEvent::Kind::kToolCallDelta, part);
  event.text = text;
  handler_->OnEvent(event);
}

void OpenAiChoice::EndTool(int part, std::string_view state) {
  StreamEvent event = EventOf(StreamEvent::Kind::kPartEnd, part);
  event.text = state;
  if (!state.empty()) event.name = kIssuer;
  handler_->OnEvent(event);
}

void OpenAiChoice::AddFinish(std::string_view raw) {
  const std::string word = WholeUtf8(UnescapeJson(raw, scratch_));
  const OpenAiFinish finish = ReadOpenAiFinish(word);
  if (finish.meaning == OpenAiFinish::Meaning::kNone) return;
  if (finish.meaning == OpenAiFinish::Meaning::kBroke) {
    failure_ = FailureKind::kServerError;
    problem_ = absl::StrCat("the upstream ended the answer with \"", word, "\"");
    return;
  }
  finish_reason_ = finish.reason;
  finish_word_ = word;
}

// The enum is ours: whoever sees STOP has no call to answer.
FinishReason OpenAiChoice::FinalReason() const {
  if (!finished()) return FinishReason::kOther;
  if (finish_reason_ != FinishReason::kStop) return finish_reason_;
  if (has_tools_) return FinishReason::kToolCalls;
  return has_refusal_ && !has_content_ ? FinishReason::kRefusal : FinishReason::kStop;
}

bool OpenAiChoice::End(StreamEventHandler& handler) {
  handler_ = &handler;
  if (kept_reasoning_ >= 0) EndPart(std::exchange(kept_reasoning_, -1), /*reasoning=*/true);
  CloseText();
  if (kept_reasoning_ >= 0) EndPart(std::exchange(kept_reasoning_, -1), /*reasoning=*/true);
  if (tools_ != nullptr && !tools_->End(*this)) {
    problem_ = tools_->problem();
    return false;
  }
  if (audio_ != nullptr) EndAudio();
  if (citations_ != nullptr) EndCitations();
  // A state that no part took: it must go back with something.
  if (state_ != nullptr && parts_ > 0) {
    open_ = Text::kReasoning;
    open_part_ = parts_++;
    Show(open_, {});
    open_ = Text::kNone;
    EndPart(open_part_, /*reasoning=*/false);
  }
  StreamEvent event = EventOf(StreamEvent::Kind::kChoiceEnd, 0);
  event.finish_reason = FinalReason();
  event.text = finish_word_;
  handler.OnEvent(event);
  return true;
}

}  // namespace sluice
