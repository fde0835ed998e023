// Why a model stopped, in the words of the servers that speak OpenAI's format.
// Pure, any thread.
#ifndef SLUICE_SERVER_CODEC_OPENAI_FINISH_H_
#define SLUICE_SERVER_CODEC_OPENAI_FINISH_H_

#include <string_view>

#include "server/codec/stream_event.h"

namespace sluice {

struct OpenAiFinish {
  enum class Meaning {
    kNone,   // no reason at all: "", "null"
    kEnd,    // the choice ended, see reason
    kBroke,  // the answer broke off at the server: what came is not whole
  };
  Meaning meaning = Meaning::kNone;
  FinishReason reason = FinishReason::kUnspecified;
};

// In any case of letters. A word that nobody knows ends the choice (kOther):
// servers have more words for an end than for a break.
OpenAiFinish ReadOpenAiFinish(std::string_view word);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_FINISH_H_
