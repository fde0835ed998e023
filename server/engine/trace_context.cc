#include "server/engine/trace_context.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

constexpr size_t kVersionAt = 0, kTraceAt = 3, kSpanAt = 36, kFlagsAt = 53, kLength = 55;

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsZero(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }

int HexValue(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

// Never all zero, which the standard forbids.
std::string RandomId(Random& random, int words) {
  std::string id;
  do {
    id.clear();
    for (int i = 0; i < words; ++i) absl::StrAppend(&id, absl::Hex(random.Next(), absl::kZeroPad16));
  } while (IsZero(id));
  return id;
}

}  // namespace

std::string TraceContext::ToTraceparent() const {
  return absl::StrCat("00-", trace_id, "-", span_id, "-", absl::Hex(flags, absl::kZeroPad2));
}

std::optional<TraceContext> ParseTraceparent(std::string_view header) {
  if (header.size() < kLength) return std::nullopt;
  const std::string_view version = header.substr(kVersionAt, 2);
  if (!IsHex(version) || version == "ff") return std::nullopt;
  // A later version may add fields, behind another dash.
  if (header.size() > kLength && (version == "00" || header[kLength] != '-')) return std::nullopt;
  const std::string_view trace = header.substr(kTraceAt, 32);
  const std::string_view span = header.substr(kSpanAt, 16);
  const std::string_view flags = header.substr(kFlagsAt, 2);
  if (header[kTraceAt - 1] != '-' || header[kSpanAt - 1] != '-' || header[kFlagsAt - 1] != '-') return std::nullopt;
  if (!IsHex(trace) || !IsHex(span) || !IsHex(flags) || IsZero(trace) || IsZero(span)) return std::nullopt;
  TraceContext context;
  context.trace_id = std::string(trace);
  context.span_id = std::string(span);
  context.flags = static_cast<uint8_t>(HexValue(flags[0]) << 4 | HexValue(flags[1]));
  return context;
}

TraceContext ChildOf(const TraceContext& parent, Random& random) {
  TraceContext child = parent;
  child.span_id = RandomId(random, 1);
  // Only the sampled bit has a meaning that we may pass on.
  child.flags &= 1;
  return child;
}

TraceContext NewTrace(Random& random) {
  TraceContext context;
  context.trace_id = RandomId(random, 2);
  context.span_id = RandomId(random, 1);
  return context;
}

}  // namespace sluice
