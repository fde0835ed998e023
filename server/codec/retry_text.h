// A time to wait, told in the words of an error. Pure; any thread.
#ifndef SLUICE_SERVER_CODEC_RETRY_TEXT_H_
#define SLUICE_SERVER_CODEC_RETRY_TEXT_H_

#include <optional>
#include <string_view>

#include "server/resilience/time.h"

namespace sluice {

// "Please try again in 6m0s", "retry after 12 seconds", "wait 30 seconds": the
// first time that stands behind such words, between zero and kMaxRetryAfter. A
// time that is told of a limit ("10 requests in 60 s") is none to wait.
std::optional<Duration> ReadRetryText(std::string_view message);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_RETRY_TEXT_H_
