// What kind of failure an error of an OpenAI-compatible server is: from a
// response outside 2xx, from an error inside a stream, or from one in place of
// the answer. Pure; any thread.
#ifndef SLUICE_SERVER_CODEC_OPENAI_ERROR_H_
#define SLUICE_SERVER_CODEC_OPENAI_ERROR_H_

#include <optional>
#include <string_view>

#include "server/codec/openai_chunk.h"
#include "server/codec/wire_format.h"

namespace sluice {

// By its number, which is an HTTP status, else by its words (error_table.h), else
// a server error. `message` comes out bounded and free of secrets.
UpstreamError ClassifyOpenAiStreamError(const OpenAiErrorFields& fields);

// The error that a JSON document without an answer tells though the status was
// 200; none where it tells of no error ("error": null, "code": 0).
std::optional<UpstreamError> ReadOpenAiErrorIn200(std::string_view json);

// The data of an event whose type says that it is an error: JSON of any shape, or
// text.
UpstreamError ReadOpenAiErrorEvent(std::string_view data);

// WireFormat::ReadError.
UpstreamError ReadOpenAiError(int http_status, std::string_view body);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_ERROR_H_
