#include "server/codec/openai_usage.h"

#include <algorithm>
#include <limits>

namespace sluice {
namespace {

using Count = std::optional<int32_t>;

struct UsageRow {
  std::string_view key;
  Count UsageCounts::*count;
};

constexpr UsageRow kRows[] = {
    {"prompt_tokens", &UsageCounts::input_tokens},
    {"completion_tokens", &UsageCounts::output_tokens},
    {"total_tokens", &UsageCounts::total_tokens},
    // Names of the Responses and Messages APIs, which some servers keep.
    {"input_tokens", &UsageCounts::input_tokens},
    {"output_tokens", &UsageCounts::output_tokens},
    // DeepSeek's word for the cached ones, Moonshot's and Anthropic's.
    {"prompt_cache_hit_tokens", &UsageCounts::cached_input_tokens},
    {"cached_tokens", &UsageCounts::cached_input_tokens},
    {"cache_read_input_tokens", &UsageCounts::cached_input_tokens},
    {"reasoning_tokens", &UsageCounts::reasoning_tokens},
};

constexpr Count UsageCounts::*kCounts[] = {&UsageCounts::input_tokens, &UsageCounts::output_tokens,
                                           &UsageCounts::total_tokens, &UsageCounts::cached_input_tokens,
                                           &UsageCounts::reasoning_tokens};

// Counts beyond any model's context are of no use; they are cut, not refused.
JsonError ReadCount(const JsonReader& reader, JsonKind kind, JsonValue value, Count& count) {
  std::optional<int64_t> number;
  SLUICE_JSON_TRY(reader.ReadInteger(kind, value, number));
  if (number && *number >= 0) {
    count = static_cast<int32_t>(std::min<int64_t>(*number, std::numeric_limits<int32_t>::max()));
  }
  return simdjson::SUCCESS;
}

// A number of nothing, as OpenAI tells of every kind of token, tells nothing.
JsonError ReadOther(const JsonReader& reader, JsonKind kind, JsonValue value, bool& others) {
  std::string_view raw;
  if (!others) SLUICE_JSON_TRY(reader.ReadRaw(kind, value, raw));
  others = others || (raw != "0" && raw != "{}");
  return simdjson::SUCCESS;
}

JsonError ReadDetail(const JsonReader& reader, JsonValue value, std::string_view name, Count& count, bool& others) {
  return ForEachMemberOf(value, [&](std::string_view key, JsonKind kind, JsonValue member) -> JsonError {
    if (key == name) return ReadCount(reader, kind, member, count);
    return ReadOther(reader, kind, member, others);
  });
}

}  // namespace

JsonError ReadOpenAiUsage(const JsonReader& reader, JsonObject object, UsageCounts& usage, bool& others) {
  return ForEachMember(object, [&](std::string_view key, JsonKind kind, JsonValue member) -> JsonError {
    for (const UsageRow& row : kRows) {
      if (row.key == key) return ReadCount(reader, kind, member, usage.*row.count);
    }
    if (key == "prompt_tokens_details" || key == "input_tokens_details") {
      return ReadDetail(reader, member, "cached_tokens", usage.cached_input_tokens, others);
    }
    if (key == "completion_tokens_details" || key == "output_tokens_details") {
      return ReadDetail(reader, member, "reasoning_tokens", usage.reasoning_tokens, others);
    }
    return ReadOther(reader, kind, member, others);
  });
}

bool ReplaceUsage(const UsageCounts& later, UsageCounts& usage) {
  const auto tells = [](const UsageCounts& counts) {
    return std::any_of(std::begin(kCounts), std::end(kCounts),
                       [&](auto count) { return (counts.*count).value_or(0) > 0; });
  };
  if (!tells(later) && tells(usage)) return false;
  bool changed = false;
  for (const auto count : kCounts) {
    if (!(later.*count) || later.*count == usage.*count) continue;
    usage.*count = later.*count;
    changed = true;
  }
  return changed;
}

}  // namespace sluice
