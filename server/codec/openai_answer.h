// What has come of one answer, and the events that the next chunk adds to it.
// Belongs to one decoder.
//
// What is tolerated of the many servers that speak this format:
// - a tool call's id and name split over chunks, or repeated in each;
// - a tool call without index (the newest one goes on, unless the id is new),
//   and another id under the same index (a new call);
// - a tool call without id: it gets "call_<choice>_<part>", for the caller needs
//   one to give the result;
// - a model told late or never, usage in every chunk, choices that are empty;
// - a finish reason repeated.
// Not tolerated, because the answer would be wrong: a tool call without name,
// one that goes on after another part began, content after a choice's end.
#ifndef SLUICE_SERVER_CODEC_OPENAI_ANSWER_H_
#define SLUICE_SERVER_CODEC_OPENAI_ANSWER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/codec/openai_chunk.h"
#include "server/codec/part_numbering.h"
#include "server/codec/utf8_joiner.h"
#include "server/codec/wire_format.h"

namespace sluice {

class OpenAiAnswer {
 public:
  // `max_held_bytes` bounds what is held back of a tool call's beginning.
  explicit OpenAiAnswer(size_t max_held_bytes) : max_held_bytes_(max_held_bytes) {}

  // False: the answer is broken; see error().
  bool Apply(const OpenAiChunk& chunk, StreamEventHandler& handler);

  // At least one choice came, and each that did has its finish reason.
  bool is_whole() const { return !choices_.empty() && unfinished_ == 0; }
  const UpstreamError& error() const { return error_; }

 private:
  enum class PartKind { kNone, kContent, kReasoning, kRefusal, kTool };

  // Started once its name is known and its arguments begin, or it ends: only
  // then are id and name complete.
  struct Tool {
    int64_t index = -1;
    std::string id;
    std::string name;
    std::string held_arguments;
    bool started = false;
  };

  struct Choice {
    int index = 0;
    PartNumbering parts;
    PartKind open = PartKind::kNone;
    Utf8Joiner joiner;
    Tool tool;
    std::vector<int64_t> ended_tools;
    // Of tokens whose text has not come out yet.
    std::vector<TokenLogprobValue> logprobs;
    bool finished = false;
    bool has_content = false;
    bool has_refusal = false;
  };

  bool Fail(FailureKind kind, std::string message);
  Choice& ChoiceOf(int index);
  bool ApplyChoice(const OpenAiChoiceDelta& delta, Choice& choice, StreamEventHandler& handler);
  bool OnText(PartKind kind, std::string_view raw, Choice& choice, StreamEventHandler& handler);
  bool OnTool(const OpenAiToolDelta& delta, Choice& choice, StreamEventHandler& handler);
  bool OnNewTool(int64_t index, Choice& choice, StreamEventHandler& handler);
  bool OnToolArguments(std::string_view arguments, Choice& choice, StreamEventHandler& handler);
  bool OnFinish(std::string_view raw, Choice& choice, StreamEventHandler& handler);
  void OnUsage(const UsageCounts& usage, StreamEventHandler& handler);
  bool OpenPart(PartKind kind, Choice& choice, StreamEventHandler& handler);
  bool ClosePart(Choice& choice, StreamEventHandler& handler);
  bool StartTool(Choice& choice, StreamEventHandler& handler);
  void EmitText(PartKind kind, std::string_view text, Choice& choice, StreamEventHandler& handler);

  const size_t max_held_bytes_;
  std::vector<Choice> choices_;
  size_t unfinished_ = 0;
  bool model_told_ = false;
  UsageCounts usage_;
  std::string text_scratch_;
  std::string id_scratch_;
  std::string name_scratch_;
  UpstreamError error_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_ANSWER_H_
