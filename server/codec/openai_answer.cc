#include "server/codec/openai_answer.h"

#include <algorithm>

#include "server/codec/json_text.h"
#include "server/codec/openai_usage.h"
#include "server/codec/utf8_joiner.h"

namespace sluice {

bool OpenAiAnswer::Fail(FailureKind kind, std::string message) {
  error_.kind = kind;
  error_.message = std::move(message);
  return false;
}

OpenAiChoice& OpenAiAnswer::ChoiceOf(int index) {
  for (OpenAiChoice& choice : choices_) {
    if (choice.index() == index) return choice;
  }
  return choices_.emplace_back(index, options_.max_event_bytes, options_.answer_id, options_.audio_format);
}

void OpenAiAnswer::TellModel(std::string_view raw, StreamEventHandler& handler) {
  model_told_ = true;
  const std::string model = WholeUtf8(UnescapeJson(raw, scratch_));
  StreamEvent event;
  event.kind = StreamEvent::Kind::kModel;
  event.text = model;
  handler.OnEvent(event);
}

bool OpenAiAnswer::Apply(const OpenAiChunk& chunk, StreamEventHandler& handler) {
  if (!model_told_ && !chunk.model().empty()) TellModel(chunk.model(), handler);
  for (size_t i = 0; i < chunk.choice_count(); ++i) {
    const OpenAiChoiceDelta& delta = chunk.choice(i);
    OpenAiChoice& choice = ChoiceOf(static_cast<int>(delta.index));
    if (!choice.Add(delta, handler)) return Fail(choice.failure(), choice.problem());
    has_content_ = has_content_ || choice.has_content();
    if (!delta.extras.empty()) extras_.AddOfChoice(choice.index(), delta.extras, has_content_, handler);
    if (!delta.audio.json.empty() && (options_.include_extras || delta.audio.other || choice.has_odd_audio())) {
      extras_.AddOfChoice(choice.index(), {{"audio", delta.audio.json}}, has_content_, handler);
    }
  }
  if (!chunk.citations().empty()) {
    if (citations_ == nullptr) citations_ = std::make_unique<OpenAiCitations>(options_.max_event_bytes);
    citations_->Add(chunk.citations());
  }
  if (citations_ != nullptr) Cite(handler);
  if (!chunk.extras().empty()) extras_.AddOfAnswer(chunk.extras(), has_content_, handler);
  // Usage in every chunk, as vLLM sends it where asked to: only news is told.
  if (chunk.has_usage() && ReplaceUsage(chunk.usage(), usage_)) {
    StreamEvent event;
    event.kind = StreamEvent::Kind::kUsage;
    event.usage = &usage_;
    handler.OnEvent(event);
  }
  return true;
}

// Sources of the answer as a whole are told with the first choice.
void OpenAiAnswer::Cite(StreamEventHandler& handler) {
  if (!citations_->waits()) return;
  for (OpenAiChoice& choice : choices_) {
    if (choice.index() == 0 && choice.takes_citations()) return choice.Cite(citations_->Take(), handler);
  }
}

bool OpenAiAnswer::AllFinished() const {
  return !choices_.empty() &&
         std::all_of(choices_.begin(), choices_.end(), [](const OpenAiChoice& choice) { return choice.finished(); });
}

bool OpenAiAnswer::whole() const {
  return AllFinished() && choices_.size() >= static_cast<size_t>(options_.choices) &&
         std::none_of(choices_.begin(), choices_.end(),
                      [](const OpenAiChoice& choice) { return choice.finished_early(); });
}

bool OpenAiAnswer::is_message() const {
  return !choices_.empty() &&
         std::all_of(choices_.begin(), choices_.end(), [](const OpenAiChoice& choice) { return choice.is_message(); });
}

// Something came, and nothing that came is in pieces.
bool OpenAiAnswer::EndsWithoutFinish() const {
  return has_content_ && std::all_of(choices_.begin(), choices_.end(), [](const OpenAiChoice& choice) {
           return choice.finished() || (choice.has_content() && choice.tools_are_whole());
         });
}

bool OpenAiAnswer::MayEnd(OpenAiEnding ending) const {
  const bool enough = AllFinished() && choices_.size() >= static_cast<size_t>(options_.choices);
  switch (ending) {
    // A server that knows no n gives one choice, and says that this is all.
    case OpenAiEnding::kDone:
      return AllFinished() || EndsWithoutFinish();
    case OpenAiEnding::kEnd:
      return enough || (options_.ends_without_finish && EndsWithoutFinish());
    case OpenAiEnding::kCut:
      return enough;
  }
  return false;
}

bool OpenAiAnswer::End(OpenAiEnding ending, StreamEventHandler& handler) {
  if (!MayEnd(ending)) {
    if (ending == OpenAiEnding::kDone) {
      return Fail(FailureKind::kProtocol, has_content_ ? "[DONE] came before a tool call's arguments were whole"
                                                       : "[DONE] came without an answer");
    }
    return Fail(FailureKind::kReset, "the stream ended before the answer was whole");
  }
  extras_.End(has_content_, handler);
  std::sort(choices_.begin(), choices_.end(),
            [](const OpenAiChoice& a, const OpenAiChoice& b) { return a.index() < b.index(); });
  for (OpenAiChoice& choice : choices_) {
    if (citations_ != nullptr && choice.has_content()) choice.Cite(citations_->Take(), handler);
    if (!choice.End(handler)) return Fail(FailureKind::kProtocol, choice.problem());
  }
  return true;
}

}  // namespace sluice
