// The usage object of an OpenAI-compatible answer, wherever it stands. Called by
// OpenAiChunk.
#ifndef SLUICE_SERVER_CODEC_OPENAI_USAGE_H_
#define SLUICE_SERVER_CODEC_OPENAI_USAGE_H_

#include "server/codec/json_reader.h"
#include "server/codec/stream_event.h"

namespace sluice {

// Sets the counts that `object` tells and leaves the others as they are. Floats
// and texts that hold a number count. `others`: it tells more than counts of ours;
// looked for only where it is false.
JsonError ReadOpenAiUsage(const JsonReader& reader, JsonObject object, UsageCounts& usage, bool& others);

// What `later` tells replaces what `usage` had. An object of zeros tells nothing
// where something was told before: many send it before they know, or after all.
// False if nothing changed.
bool ReplaceUsage(const UsageCounts& later, UsageCounts& usage);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_USAGE_H_
