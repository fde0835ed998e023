// The log probabilities of a choice of an OpenAI-compatible answer. Called by
// OpenAiChunk.
#ifndef SLUICE_SERVER_CODEC_OPENAI_LOGPROBS_H_
#define SLUICE_SERVER_CODEC_OPENAI_LOGPROBS_H_

#include <vector>

#include "server/codec/json_reader.h"
#include "server/codec/stream_event.h"

namespace sluice {

// Appends the tokens of {"content": [{"token", "logprob", "bytes",
// "top_logprobs"}, …]}. Anything else (a number, a list, the form of the old
// completions) tells none.
JsonError ReadOpenAiLogprobs(JsonReader& reader, JsonValue value, std::vector<TokenLogprobValue>& tokens);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_LOGPROBS_H_
