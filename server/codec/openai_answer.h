// What has come of one answer, and the events that the next chunk adds to it.
// Belongs to one decoder.
//
// The rule: a good answer is never voided for its form, and a broken one never
// told as whole. What a chunk may look like is openai_delta.h's affair, which
// call a fragment belongs to openai_tool_calls.h's, when parts end
// openai_choice.h's; here stands when an answer is whole.
#ifndef SLUICE_SERVER_CODEC_OPENAI_ANSWER_H_
#define SLUICE_SERVER_CODEC_OPENAI_ANSWER_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/codec/openai_answer_extras.h"
#include "server/codec/openai_choice.h"
#include "server/codec/openai_chunk.h"
#include "server/codec/wire_format.h"

namespace sluice {

// How an answer's stream ended.
enum class OpenAiEnding {
  kDone,  // by [DONE], or by the end of its one document
  kEnd,   // by the framing of HTTP
  kCut,   // the connection broke, or nothing more came
};

class OpenAiAnswer {
 public:
  // `options` and `error` must outlive it; `error` says what is wrong once it is.
  OpenAiAnswer(const AnswerOptions& options, UpstreamError& error)
      : options_(options), extras_(options.include_extras), error_(error) {}

  // Whether a chunk's fields without a place of their own are wanted.
  bool wants_extras() const { return options_.include_extras || !has_content_; }

  // False: the answer is broken, as the error says.
  bool Apply(const OpenAiChunk& chunk, StreamEventHandler& handler);

  // Everything that was asked for has come: as many choices have a finish reason
  // as were asked for, none is without, and the upstream means it.
  bool whole() const;

  // Every choice came as a message, which is all there is of it.
  bool is_message() const;

  // Gives the last events where the answer is whole for an end like this. False:
  // it is not, as the error says.
  bool End(OpenAiEnding ending, StreamEventHandler& handler);
  // The same without a word about why not: for an end that may yet be another.
  bool MayEnd(OpenAiEnding ending) const;

 private:
  bool Fail(FailureKind kind, std::string message);
  OpenAiChoice& ChoiceOf(int index);
  bool AllFinished() const;
  bool EndsWithoutFinish() const;
  void Cite(StreamEventHandler& handler);
  void TellModel(std::string_view raw, StreamEventHandler& handler);

  const AnswerOptions& options_;
  std::vector<OpenAiChoice> choices_;
  bool model_told_ = false;
  bool has_content_ = false;
  UsageCounts usage_;
  OpenAiAnswerExtras extras_;
  std::unique_ptr<OpenAiCitations> citations_;  // those of no choice
  std::string scratch_;
  UpstreamError& error_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_ANSWER_H_
