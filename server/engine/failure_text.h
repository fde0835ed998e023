// Failures in words, for callers and logs: one line, bounded, whole UTF-8.
#ifndef SLUICE_SERVER_ENGINE_FAILURE_TEXT_H_
#define SLUICE_SERVER_ENGINE_FAILURE_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "server/codec/wire_format.h"
#include "server/engine/call_record.h"

namespace sluice {

inline constexpr size_t kMaxAttemptMessage = 512;
// gRPC carries messages in HTTP/2 headers, of which clients take 8 KiB.
inline constexpr size_t kMaxStatusMessage = 1024;

// "overloaded", "rate limited".
std::string_view PhraseOf(FailureKind kind);

// What the upstream said, or the kind's phrase. A refused credential is told
// by its code only: providers quote parts of the key.
std::string MessageOf(const UpstreamError& error);

// Control characters become spaces; cut at `max` bytes, between characters.
std::string OneLine(std::string_view text, size_t max);

// For people: "212ms", not "212.34567ms".
std::string ShortDuration(Duration duration);

// "openai/primary 503 overloaded".
std::string DescribeAttempt(const AttemptRecord& attempt);

// "3 attempts failed: …; …", each cut so that the whole keeps within `max`.
std::string DescribeAttempts(const std::vector<AttemptRecord>& attempts, size_t max);

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_FAILURE_TEXT_H_
