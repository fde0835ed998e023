// The fields of a chat request that are one key of OpenAI's each, whose names
// callers may also use in extras. Part of the request's encoding; any thread.
#ifndef SLUICE_SERVER_CODEC_OPENAI_REQUEST_FIELDS_H_
#define SLUICE_SERVER_CODEC_OPENAI_REQUEST_FIELDS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/codec/json_writer.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

// user, metadata, service_tier, verbosity, audio, logit_bias, as far as they are
// set, into the object that is open.
absl::Status WriteOpenAiRequestFields(const v1::ChatRequest& request, JsonWriter& writer);

// The field of `request` that is set and becomes this key; empty: none is, and
// extras may have it.
std::string_view OpenAiFieldBeside(const v1::ChatRequest& request, std::string_view key);

// WireFormat::AudioFormat.
std::string OpenAiAudioFormat(const v1::ChatRequest& request);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_REQUEST_FIELDS_H_
