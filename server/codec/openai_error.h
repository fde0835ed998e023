// What kind of failure an error of an OpenAI-compatible provider is: from a
// response outside 2xx, or from an error object inside a stream.
#ifndef SLUICE_SERVER_CODEC_OPENAI_ERROR_H_
#define SLUICE_SERVER_CODEC_OPENAI_ERROR_H_

#include <string_view>

#include "server/codec/openai_chunk.h"
#include "server/codec/wire_format.h"

namespace sluice {

// By its code, else its number, else its type, else a server error. `message`
// comes out bounded and free of secrets.
UpstreamError ClassifyOpenAiStreamError(const OpenAiErrorFields& fields);

// WireFormat::ReadError.
UpstreamError ReadOpenAiError(int http_status, std::string_view body);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_ERROR_H_
