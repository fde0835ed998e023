// Any bytes as the body of an error, and as a document in place of an answer: a
// kind, and one bounded line of text.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "server/codec/openai_error.h"
#include "server/codec/utf8_joiner.h"
#include "server/codec/wire_format.h"

namespace {

void Check(const sluice::UpstreamError& error) {
  if (error.kind == sluice::FailureKind::kNone || error.message.empty() || error.message.size() > 512) std::abort();
  if (error.context_exceeded && error.kind != sluice::FailureKind::kCaller) std::abort();
  if (error.retry_after && (*error.retry_after < absl::ZeroDuration() || *error.retry_after > absl::Hours(1))) std::abort();
  if (sluice::WholeUtf8(error.message) != error.message) std::abort();
  for (const unsigned char c : error.message) {
    if (c < 0x20 || c == 0x7F) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const int status = 300 + data[0];
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  Check(sluice::OpenAiFormat().ReadError(status, body));
  if (const auto error = sluice::ReadOpenAiErrorIn200(body)) Check(*error);
  return 0;
}
