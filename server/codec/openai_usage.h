// The usage object of an OpenAI-compatible answer, wherever it stands. Called by
// OpenAiChunk.
#ifndef SLUICE_SERVER_CODEC_OPENAI_USAGE_H_
#define SLUICE_SERVER_CODEC_OPENAI_USAGE_H_

#include "server/codec/json_reader.h"
#include "server/codec/stream_event.h"

namespace sluice {

// Sets the counts that `value` tells and leaves the others as they are. Floats
// and texts that hold a number count.
JsonError ReadOpenAiUsage(const JsonReader& reader, JsonValue value, UsageCounts& usage);

// What `later` tells replaces what `usage` had. An object of zeros tells nothing
// where something was told before: many send it before they know, or after all.
// False if nothing changed.
bool ReplaceUsage(const UsageCounts& later, UsageCounts& usage);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_USAGE_H_
