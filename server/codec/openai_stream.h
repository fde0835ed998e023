// Chunks of an OpenAI-compatible answer → events. See openai_stream.cc for
// what is tolerated of the many that speak this format.
#ifndef SLUICE_SERVER_CODEC_OPENAI_STREAM_H_
#define SLUICE_SERVER_CODEC_OPENAI_STREAM_H_

#include <memory>

#include "server/codec/wire_format.h"

namespace sluice {

std::unique_ptr<ResponseDecoder> NewOpenAiDecoder(const AnswerOptions& options);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_STREAM_H_
