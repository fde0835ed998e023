#include "server/service/check_faults.h"

#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/status/bounded_text.h"
#include "server/resilience/failure.h"

namespace sluice {
namespace {

// Longest quotation of a caller's value in an error.
constexpr size_t kQuotedBytes = 64;

// True if `text` is one JSON value, and an object. Iterative: a caller's
// nesting must not use up our stack.
bool IsJsonObject(std::string_view text) {
  rapidjson::MemoryStream stream(text.data(), text.size());
  rapidjson::BaseReaderHandler<> ignore;
  rapidjson::Reader reader;
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;
  if (reader.Parse<kFlags>(stream, ignore).IsError()) return false;
  size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

}  // namespace

CallError Refuse(std::string field, std::string_view what) {
  CallError error;
  error.kind = FailureKind::kCaller;
  error.grpc_code = TraitsOf(FailureKind::kCaller).grpc_code;
  error.reason = std::string(TraitsOf(FailureKind::kCaller).reason);
  error.message = absl::StrCat(field, ": ", std::string(what));
  error.field = std::move(field);
  return error;
}

std::string Quoted(std::string_view value) { return absl::StrCat("\"", BoundedText(value, kQuotedBytes), "\""); }

RequestFault CheckJson(std::string field, std::string_view text) {
  if (IsJsonObject(text)) return std::nullopt;
  return Refuse(std::move(field), absl::StrCat(Quoted(text), " is not a JSON object"));
}

RequestFault CheckLength(std::string field, std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::nullopt;
  return Refuse(std::move(field), absl::StrCat(Quoted(text), " has ", text.size(), " bytes; must have at most ", max_bytes));
}

}  // namespace sluice
