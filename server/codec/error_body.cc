#include "server/codec/error_body.h"

#include <rapidjson/document.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "server/codec/ascii_text.h"
#include "server/codec/error_table.h"
#include "server/resilience/duration_text.h"

namespace sluice {
namespace {

using Json = rapidjson::Value;

// Errors within errors: a gateway's of a proxy's of a server's, and their lists.
constexpr int kMaxDepth = 8;
constexpr size_t kMaxWords = 16;
constexpr size_t kMaxHints = 4096;
constexpr rapidjson::SizeType kMaxElements = 16;

const Json* Member(const Json& object, const char* name) {
  if (!object.IsObject()) return nullptr;
  const auto it = object.FindMember(name);
  return it == object.MemberEnd() ? nullptr : &it->value;
}

// Of a string or whole number; else empty.
std::string TextOf(const Json* value) {
  if (value == nullptr) return {};
  if (value->IsString()) return std::string(value->GetString(), value->GetStringLength());
  if (value->IsInt64()) return absl::StrCat(value->GetInt64());
  if (value->IsDouble() && value->GetDouble() == std::trunc(value->GetDouble()) && std::abs(value->GetDouble()) < 1e9) {
    return absl::StrCat(static_cast<int64_t>(value->GetDouble()));
  }
  return {};
}

std::string FirstText(const Json& object, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (std::string text = TextOf(Member(object, name)); !text.empty()) return text;
  }
  return {};
}

// null, false, 0, "" , {} and [] tell of no error.
bool Tells(const Json* value) {
  if (value == nullptr || value->IsNull() || value->IsFalse()) return false;
  if (value->IsString()) return value->GetStringLength() > 0;
  if (value->IsObject()) return value->MemberCount() > 0;
  if (value->IsArray()) return !value->Empty();
  return !value->IsNumber() || value->GetDouble() != 0;
}

bool SaysWell(std::string_view code) {
  for (const std::string_view word : {"0", "200", "ok", "success", "succeeded", "none"}) {
    if (EqualsIgnoringCase(code, word)) return true;
  }
  return code.empty();
}

class Reader {
 public:
  explicit Reader(ErrorBody& error) : error_(error) {}

  void ReadDocument(const Json& root);
  void ReadText(std::string_view text);

 private:
  void ReadValue(const Json& value, int depth);
  void ReadObject(const Json& object, int depth);
  void ReadWords(const Json& object);
  void ReadInner(const Json& object, int depth);
  void ReadValidation(const Json& item);
  void ReadBaseResp(const Json& base);
  void ReadMetadata(const Json& metadata, int depth);
  void ReadDetails(const Json& details);
  void ReadRetryAfter(const Json& object);
  void ReadWithin(std::string_view text, int depth);
  void TakeMessage(std::string_view text);
  void TakeWord(std::string text);
  void TakeHint(std::string_view text);

  ErrorBody& error_;
};

void Reader::TakeHint(std::string_view text) {
  if (text.empty() || error_.hints.size() >= kMaxHints) return;
  absl::StrAppend(&error_.hints, std::string(text.substr(0, kMaxHints - error_.hints.size())), "\n");
}

void Reader::TakeMessage(std::string_view text) {
  if (text.empty()) return;
  if (error_.message.empty()) {
    error_.message = std::string(text);
  } else {
    TakeHint(text);
  }
}

void Reader::TakeWord(std::string text) {
  if (text.empty() || error_.words.size() >= kMaxWords) return;
  if (error_.http_status == 0) error_.http_status = HttpStatusOfCode(text);
  error_.words.push_back(std::move(text));
}

// The JSON text in a message, from the first brace to the last.
void Reader::ReadWithin(std::string_view text, int depth) {
  const size_t begin = text.find('{');
  const size_t end = text.rfind('}');
  if (depth > kMaxDepth || begin == std::string_view::npos || end == std::string_view::npos || end < begin) return;
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(text.data() + begin, end + 1 - begin);
  if (!document.HasParseError()) ReadValue(document, depth + 1);
}

void Reader::ReadText(std::string_view text) {
  TakeMessage(text);
  ReadWithin(text, 0);
}

void Reader::ReadValue(const Json& value, int depth) {
  if (depth > kMaxDepth) return;
  if (value.IsString()) {
    const std::string_view text = TrimBlanks(std::string_view(value.GetString(), value.GetStringLength()));
    // A message that is the JSON text of an error and nothing else is for no
    // person.
    const bool bare = text.starts_with('{') && text.ends_with('}');
    if (bare) ReadWithin(text, depth);
    TakeMessage(text);
    if (!bare) ReadWithin(text, depth);
  } else if (value.IsArray() && !value.Empty()) {
    ReadValue(value[0], depth + 1);
  } else if (value.IsObject()) {
    ReadObject(value, depth);
  }
}

void Reader::ReadWords(const Json& object) {
  const std::string code = FirstText(object, {"code", "error_code", "errorCode", "err_code"});
  const std::string type = FirstText(object, {"type", "error_type", "errorType", "__type"});
  if (error_.code.empty()) error_.code = code;
  if (error_.type.empty() && !EqualsIgnoringCase(type, "error")) error_.type = type;
  if (error_.param.empty()) error_.param = FirstText(object, {"param", "field"});
  TakeWord(code);
  TakeWord(type);
  for (const char* name : {"status", "statusCode", "status_code", "http_code", "reason"}) {
    TakeWord(TextOf(Member(object, name)));
  }
}

// {"loc": ["body", "n"], "msg": "…"} of FastAPI.
void Reader::ReadValidation(const Json& item) {
  std::string where;
  const Json& loc = *Member(item, "loc");
  for (rapidjson::SizeType i = 0; loc.IsArray() && i < std::min(loc.Size(), kMaxElements); ++i) {
    const std::string step = TextOf(&loc[i]);
    if (i == 0 && step == "body") continue;
    absl::StrAppend(&where, where.empty() ? "" : ".", step);
  }
  if (error_.param.empty()) error_.param = where;
  const std::string what = FirstText(item, {"msg", "message"});
  TakeMessage(where.empty() || what.empty() ? what : absl::StrCat(where, ": ", what));
}

// MiniMax's, which stands in good answers too.
void Reader::ReadBaseResp(const Json& base) {
  const Json* code = Member(base, "status_code");
  if (code == nullptr || !code->IsInt() || code->GetInt() == 0) return;
  error_.base_code = code->GetInt();
  if (error_.code.empty()) error_.code = absl::StrCat(error_.base_code);
  TakeMessage(TextOf(Member(base, "status_msg")));
}

// OpenRouter's: what the provider behind said, and why an input was flagged.
void Reader::ReadMetadata(const Json& metadata, int depth) {
  if (!metadata.IsObject()) return;
  if (Member(metadata, "flagged_input") != nullptr || Tells(Member(metadata, "reasons"))) TakeWord("moderation");
  ReadRetryAfter(metadata);
  const Json* raw = Member(metadata, "raw");
  if (raw == nullptr) return;
  ErrorBody inner;
  Reader(inner).ReadValue(*raw, depth + 1);
  for (std::string& word : inner.words) TakeWord(std::move(word));
  if (!error_.retry_after) error_.retry_after = inner.retry_after;
  TakeHint(inner.hints);
  if (inner.message.empty()) return;
  error_.message = error_.message.empty() ? inner.message : absl::StrCat(error_.message, ": ", inner.message);
}

// google.rpc's: RetryInfo, QuotaFailure, ErrorInfo, BadRequest.
void Reader::ReadDetails(const Json& details) {
  if (!details.IsArray()) return;
  for (rapidjson::SizeType i = 0; i < std::min(details.Size(), kMaxElements); ++i) {
    const Json& detail = details[i];
    ReadRetryAfter(detail);
    TakeWord(TextOf(Member(detail, "reason")));
    const Json* quotas = Member(detail, "violations");
    for (rapidjson::SizeType j = 0; quotas != nullptr && quotas->IsArray() && j < std::min(quotas->Size(), kMaxElements); ++j) {
      TakeHint(TextOf(Member((*quotas)[j], "quotaId")));
    }
    const Json* fields = Member(detail, "fieldViolations");
    if (fields == nullptr || !fields->IsArray() || fields->Empty() || !error_.param.empty()) continue;
    error_.param = TextOf(Member((*fields)[0], "field"));
  }
}

void Reader::ReadRetryAfter(const Json& object) {
  struct Name {
    const char* name;
    double seconds;
  };
  for (const Name& row : {Name{"retryDelay", 1}, Name{"retry_after", 1}, Name{"retryAfter", 1}, Name{"retry-after", 1},
                          Name{"retry_after_seconds", 1}, Name{"retry_after_ms", 0.001}, Name{"retryAfterMs", 0.001}}) {
    const Json* value = Member(object, row.name);
    if (value == nullptr || error_.retry_after) continue;
    if (value->IsNumber() && value->GetDouble() >= 0) error_.retry_after = absl::Seconds(value->GetDouble() * row.seconds);
    if (!value->IsString()) continue;
    std::string_view text(value->GetString(), value->GetStringLength());
    const std::optional<DurationText> told = TakeDuration(text);
    if (told && text.empty()) error_.retry_after = told->has_unit ? told->duration : told->duration * row.seconds;
  }
}

// The errors that stand in an object go before what the object says of itself.
void Reader::ReadInner(const Json& object, int depth) {
  for (const char* name : {"error", "errors", "fault", "detail", "base_resp"}) {
    const Json* value = Member(object, name);
    if (!Tells(value)) continue;
    ReadValue(*value, depth + 1);
  }
  const Json* inner = Member(object, "innererror");
  if (inner != nullptr) ReadWords(*inner);
}

void Reader::ReadObject(const Json& object, int depth) {
  if (Member(object, "loc") != nullptr) return ReadValidation(object);
  if (Member(object, "status_msg") != nullptr) return ReadBaseResp(object);
  ReadRetryAfter(object);
  ReadInner(object, depth);
  ReadWords(object);
  for (const char* name : {"message", "msg", "error_msg", "error_message", "errorMessage", "err_msg", "faultstring",
                           "title", "Message"}) {
    const Json* value = Member(object, name);
    if (Tells(value)) ReadValue(*value, depth + 1);
  }
  // One gateway hands the error on as its "param".
  const Json* param = Member(object, "param");
  if (param != nullptr && param->IsObject()) ReadValue(*param, depth + 1);
  if (const Json* metadata = Member(object, "metadata")) ReadMetadata(*metadata, depth);
  if (const Json* details = Member(object, "details")) ReadDetails(*details);
}

bool SaysError(const Json& root) {
  if (Tells(Member(root, "error")) || Tells(Member(root, "errors")) || Tells(Member(root, "fault"))) return true;
  const Json* base = Member(root, "base_resp");
  const Json* base_code = base == nullptr ? nullptr : Member(*base, "status_code");
  if (base_code != nullptr && Tells(base_code)) return true;
  const Json* success = Member(root, "success");
  if (success != nullptr && success->IsFalse()) return true;
  const std::string message = FirstText(root, {"message", "msg", "error_msg", "error_message", "errorMessage", "detail"});
  const std::string object = FirstText(root, {"object", "type", "event"});
  if (object == "error") return true;
  const std::string code = FirstText(root, {"code", "error_code", "errorCode", "statusCode", "status_code"});
  if (!SaysWell(code) && (!message.empty() || HttpStatusOfCode(code) != 0)) return true;
  const bool well = (!code.empty() && SaysWell(code)) || (success != nullptr && success->IsTrue());
  if (well) return false;
  const Json* detail = Member(root, "detail");
  if (detail != nullptr && (detail->IsArray() || detail->IsObject())) return Tells(detail);
  if (message.empty()) return false;
  // News of a stream has a type of its own; an error's is known, or says so.
  const std::string word = AsciiLower(object);
  if (word.find("error") != std::string::npos || word.find("exception") != std::string::npos) return true;
  const std::string status = FirstText(root, {"status"});
  if (HttpStatusOfCode(status) != 0 || SignOfWord(status) != ErrorSign::kNone) return true;
  return object.empty() && status.empty() && Member(root, "id") == nullptr && Member(root, "model") == nullptr;
}

void Reader::ReadDocument(const Json& root) {
  error_.is_json = true;
  const Json& first = root.IsArray() && !root.Empty() ? root[0] : root;
  error_.is_error = first.IsObject() && SaysError(first);
  ReadValue(root, 0);
}

}  // namespace

int HttpStatusOfCode(std::string_view code) {
  if (code.size() != 3 || (code[0] != '4' && code[0] != '5')) return 0;
  int status = 0;
  for (const char c : code) {
    if (c < '0' || c > '9') return 0;
    status = 10 * status + (c - '0');
  }
  return status;
}

ErrorBody ReadErrorBody(std::string_view json) {
  ErrorBody error;
  rapidjson::Document document;
  // Iterative: a hostile body must not nest our stack away.
  document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
  if (!document.HasParseError()) Reader(error).ReadDocument(document);
  return error;
}

void ReadErrorWithin(std::string_view message, ErrorBody& error) { Reader(error).ReadText(message); }

}  // namespace sluice
