// One choice of an OpenAI-compatible answer: its open parts, and the events that
// each chunk adds. Belongs to one OpenAiAnswer.
//
// A text (content, reasoning, refusal) ends when another text or a tool call
// begins, and what comes later is a part of its own, so that the order stays. Tool
// calls stay open to the choice's end, for their fragments may interleave with
// anything; so does reasoning that the provider wants back with a state, which
// may come last, and a sound, which comes beside the texts. Sources belong to the
// newest part of content. A finish reason ends nothing: servers send content after it.
// The choice ends when the answer does.
#ifndef SLUICE_SERVER_CODEC_OPENAI_CHOICE_H_
#define SLUICE_SERVER_CODEC_OPENAI_CHOICE_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/codec/openai_audio.h"
#include "server/codec/openai_citations.h"
#include "server/codec/openai_delta.h"
#include "server/codec/openai_details.h"
#include "server/codec/openai_tool_calls.h"
#include "server/codec/stream_event.h"
#include "server/codec/utf8_joiner.h"
#include "server/resilience/failure.h"

namespace sluice {

class OpenAiChoice final : private ToolCallSink {
 public:
  // `max_held_bytes` bounds what is held back. `answer_id`: of made-up ids;
  // `audio_format`: as it was asked for. Both outlive it.
  OpenAiChoice(int index, size_t max_held_bytes, std::string_view answer_id, std::string_view audio_format)
      : index_(index), max_held_bytes_(max_held_bytes), answer_id_(answer_id), audio_format_(audio_format) {}

  // False: the answer is broken; see problem().
  bool Add(const OpenAiChoiceDelta& delta, StreamEventHandler& handler);
  // Sources that the answer as a whole names.
  void Cite(std::vector<CitationValue> sources, StreamEventHandler& handler);
  // Its last events. Without a finish reason it ends for a reason that nobody
  // told. False: as above.
  bool End(StreamEventHandler& handler);

  int index() const { return index_; }
  bool finished() const { return finish_reason_ != FinishReason::kUnspecified; }
  // Content came after the finish reason, which then says little.
  bool finished_early() const { return finished_early_; }
  // Everything came in a whole message.
  bool is_message() const { return is_message_; }
  // Text was shown, which sources can belong to.
  bool takes_citations() const { return cited_part_ >= 0; }
  // The newest sound was none that could be read.
  bool has_odd_audio() const { return odd_audio_; }
  bool has_content() const { return parts_ > 0 || tools_ != nullptr; }
  bool tools_are_whole() const { return tools_ == nullptr || tools_->whole(); }
  // kProtocol, or kServerError where the server says that the answer broke off.
  FailureKind failure() const { return failure_; }
  const std::string& problem() const { return problem_; }

 private:
  enum class Text : uint8_t { kNone, kContent, kReasoning, kRefusal };

  // What goes back with the message, gathered over its chunks.
  struct State {
    explicit State(size_t max_bytes) : details(max_bytes) {}
    std::vector<std::pair<std::string, std::string>> members;
    size_t bytes = 0;
    OpenAiDetails details;
  };

  bool AddTexts(const OpenAiChoiceDelta& delta);
  void AddText(Text kind, std::string_view raw);
  void AddReasoning(const OpenAiChoiceDelta& delta);
  void AddState(const OpenAiChoiceDelta& delta);
  void AddFinish(std::string_view raw);
  void AddAudio(const OpenAiAudioDelta& delta);
  void ShowAudio(const OpenAiAudio::Piece& piece);
  void EndAudio();
  OpenAiCitations& citations();
  void TellCitations();
  void EndCitations();
  void Show(Text kind, std::string_view text);
  void CloseText();
  // With the state of the message, which then is none any more.
  void EndPart(int part, bool reasoning, std::string_view audio_id = {});
  std::string StateJson(bool reasoning, std::string_view audio_id);
  StreamEvent EventOf(StreamEvent::Kind kind, int part) const;
  FinishReason FinalReason() const;

  int BeginTool(std::string_view id, std::string_view name) override;
  void AddArguments(int part, std::string_view text) override;
  void EndTool(int part, std::string_view state) override;

  int index_;
  size_t max_held_bytes_;
  std::string_view answer_id_;
  std::string_view audio_format_;
  StreamEventHandler* handler_ = nullptr;  // during Add and End

  int parts_ = 0;
  Text open_ = Text::kNone;
  int open_part_ = 0;
  // A part of reasoning that has not ended though another text began; -1: none.
  int kept_reasoning_ = -1;
  int cited_part_ = -1;  // what sources belong to; -1: nothing yet
  bool odd_audio_ = false;
  bool has_content_ = false;
  bool has_refusal_ = false;
  bool has_tools_ = false;
  bool is_message_ = false;
  bool finished_early_ = false;
  FinishReason finish_reason_ = FinishReason::kUnspecified;
  std::string finish_word_;
  std::string_view reasoning_key_;
  Utf8Joiner joiner_;
  // Of tokens whose text has not come out yet.
  std::vector<TokenLogprobValue> logprobs_;
  std::unique_ptr<OpenAiToolCalls> tools_;
  std::unique_ptr<State> state_;
  std::unique_ptr<OpenAiAudio> audio_;
  std::unique_ptr<OpenAiCitations> citations_;
  std::string scratch_;
  FailureKind failure_ = FailureKind::kProtocol;
  std::string problem_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_CHOICE_H_
