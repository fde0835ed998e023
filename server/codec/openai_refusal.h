// Which part of a request's form a server refused, as far as Sluice chose the
// form and can choose another: then the request is repeated in that one. Called
// once for a refused request; any thread.
#ifndef SLUICE_SERVER_CODEC_OPENAI_REFUSAL_H_
#define SLUICE_SERVER_CODEC_OPENAI_REFUSAL_H_

#include <string_view>

#include "server/codec/dialect.h"

namespace sluice {

// Read from the error's path to the key ("param", "loc") or from its words
// ("Unrecognized request argument supplied: stream_options"), wherever in the
// body they stand. Empty where it is about something else.
FormParts RefusedOpenAiForm(int http_status, std::string_view body);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_REFUSAL_H_
