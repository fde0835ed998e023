// Which field of ChatRequest becomes which key of an OpenAI request: for the
// refusal of extras that would override one, and for errors that name a key.
#ifndef SLUICE_SERVER_CODEC_OPENAI_FIELDS_H_
#define SLUICE_SERVER_CODEC_OPENAI_FIELDS_H_

#include <string_view>

namespace sluice {

// The caller's field for a key at the top level of the request; empty if
// Sluice sets no such key. "stream" and "stream_options" give themselves.
std::string_view FieldOfOpenAiKey(std::string_view key);

// Whether extras may have a key of FieldOfOpenAiKey while its field is not set:
// callers used these before there was a field.
bool MayBeOpenAiExtra(std::string_view key);

// The two names of the bound on output tokens.
bool IsOpenAiTokenLimit(std::string_view key);

// The caller's field for the `param` of an error, as servers write it:
// "messages.[2].content", "tools.0.function.strict", "body -> seed", "$.n",
// "/tools/0". The index is left out: one tool message of the caller may have
// become several. Empty if unknown.
std::string_view FieldOfOpenAiParam(std::string_view param);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_FIELDS_H_
