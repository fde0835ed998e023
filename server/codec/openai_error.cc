#include "server/codec/openai_error.h"

#include <rapidjson/document.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "server/codec/ascii_text.h"
#include "server/codec/error_text.h"
#include "server/codec/openai_fields.h"
#include "server/codec/openai_refusal.h"

namespace sluice {
namespace {

// The prompt is longer than the model's context.
constexpr std::string_view kContextExceeded = "context_length_exceeded";

struct CodeRow {
  std::string_view word;
  FailureKind kind;
};

// Codes and types of OpenAI, Azure and those that speak like them, lower-case.
constexpr CodeRow kCodes[] = {
    {"insufficient_quota", FailureKind::kQuota},
    {"quota_exceeded", FailureKind::kQuota},
    {"exceeded_current_quota_error", FailureKind::kQuota},
    {"billing_hard_limit_reached", FailureKind::kQuota},
    {"billing_not_active", FailureKind::kQuota},
    {"billing_error", FailureKind::kQuota},
    {"insufficient_balance", FailureKind::kQuota},
    {"payment_required", FailureKind::kQuota},
    {"rate_limit_exceeded", FailureKind::kRateLimited},
    {"rate_limit_error", FailureKind::kRateLimited},
    {"rate_limit_reached_error", FailureKind::kRateLimited},
    {"too_many_requests", FailureKind::kRateLimited},
    {"toomanyrequests", FailureKind::kRateLimited},
    {"invalid_api_key", FailureKind::kAuth},
    {"authentication_error", FailureKind::kAuth},
    {"invalid_authentication_error", FailureKind::kAuth},
    {"incorrect_api_key_error", FailureKind::kAuth},
    {"account_deactivated", FailureKind::kAuth},
    {"unauthorized", FailureKind::kAuth},
    {"permission_denied", FailureKind::kAuth},
    {"permission_error", FailureKind::kAuth},
    {"model_not_found", FailureKind::kNotFound},
    {"deploymentnotfound", FailureKind::kNotFound},
    {"not_found_error", FailureKind::kNotFound},
    {"notfounderror", FailureKind::kNotFound},
    {"content_filter", FailureKind::kRefused},
    {"content_policy_violation", FailureKind::kRefused},
    {"responsibleaipolicyviolation", FailureKind::kRefused},
    {"moderation_blocked", FailureKind::kRefused},
    {"data_inspection_failed", FailureKind::kRefused},
    {kContextExceeded, FailureKind::kCaller},
    {"string_above_max_length", FailureKind::kCaller},
    {"invalid_request_error", FailureKind::kCaller},
    {"badrequesterror", FailureKind::kCaller},
    {"overloaded", FailureKind::kOverload},
    {"overloaded_error", FailureKind::kOverload},
    {"engine_overloaded", FailureKind::kOverload},
    {"engine_overloaded_error", FailureKind::kOverload},
    {"service_unavailable", FailureKind::kOverload},
    {"serviceunavailable", FailureKind::kOverload},
    {"server_error", FailureKind::kServerError},
    {"api_error", FailureKind::kServerError},
    {"internal_error", FailureKind::kServerError},
    {"internal_server_error", FailureKind::kServerError},
    {"internalservererror", FailureKind::kServerError},
    {"timeout", FailureKind::kServerError},
};

FailureKind KindOfWord(std::string_view word) {
  const std::string lower = AsciiLower(word);
  for (const CodeRow& row : kCodes) {
    if (row.word == lower) return row.kind;
  }
  return FailureKind::kNone;
}

// A 4xx says little; its code may say more. What happens to be in the body of
// a 5xx changes nothing, nor can a code make an account's failure the caller's.
FailureKind KindOf(int status, std::string_view code, std::string_view type) {
  if (status == 402) return FailureKind::kQuota;
  const FailureKind by_status = KindOfHttpStatus(status);
  if (status < 400 || status >= 500 || status == 408) return by_status;
  for (const std::string_view word : {code, type}) {
    const FailureKind kind = KindOfWord(word);
    if (kind == FailureKind::kQuota || kind == FailureKind::kRefused) return kind;
    const bool vague = by_status == FailureKind::kCaller;
    if (vague && (kind == FailureKind::kAuth || kind == FailureKind::kNotFound || kind == FailureKind::kRateLimited)) {
      return kind;
    }
  }
  return by_status;
}

using Json = rapidjson::Value;

const Json* Member(const Json& object, const char* name) {
  if (!object.IsObject()) return nullptr;
  const auto it = object.FindMember(name);
  return it == object.MemberEnd() ? nullptr : &it->value;
}

std::string TextOf(const Json* value) {
  if (value == nullptr) return {};
  if (value->IsString()) return std::string(value->GetString(), value->GetStringLength());
  if (value->IsInt()) return absl::StrCat(value->GetInt());
  return {};
}

void ReadFields(const Json& object, OpenAiErrorFields& fields) {
  fields.message = TextOf(Member(object, "message"));
  fields.type = TextOf(Member(object, "type"));
  fields.code = TextOf(Member(object, "code"));
  fields.param = TextOf(Member(object, "param"));
  // Azure tells the content filter apart only inside.
  const Json* inner = Member(object, "innererror");
  const std::string inner_code = inner != nullptr ? TextOf(Member(*inner, "code")) : "";
  if (KindOfWord(inner_code) == FailureKind::kRefused) fields.code = inner_code;
}

// FastAPI's form: {"detail": "…"} or {"detail": [{"loc": ["body", "n"], "msg": "…"}]}.
void ReadDetail(const Json& detail, OpenAiErrorFields& fields) {
  fields.message = TextOf(&detail);
  if (!detail.IsArray() || detail.Empty()) return;
  const Json& first = detail[0];
  fields.message = TextOf(Member(first, "msg"));
  const Json* loc = Member(first, "loc");
  if (loc != nullptr && loc->IsArray() && loc->Size() > 1) fields.param = TextOf(&(*loc)[1]);
}

OpenAiErrorFields ReadBody(std::string_view body) {
  OpenAiErrorFields fields;
  rapidjson::Document document;
  // Iterative: a hostile body must not nest our stack away.
  document.Parse<rapidjson::kParseIterativeFlag>(body.data(), body.size());
  if (document.HasParseError()) return fields;
  const Json* root = &document;
  // Gemini's compatible endpoint wraps the object into an array.
  if (root->IsArray() && !root->Empty()) root = &(*root)[0];
  if (!root->IsObject()) return fields;
  fields.present = true;
  const Json* error = Member(*root, "error");
  const Json* detail = Member(*root, "detail");
  if (error != nullptr && error->IsObject()) {
    ReadFields(*error, fields);
  } else if (detail != nullptr) {
    ReadDetail(*detail, fields);
  } else {
    ReadFields(*root, fields);
    if (error != nullptr && fields.message.empty()) fields.message = TextOf(error);
  }
  return fields;
}

std::string PageText(int status, std::string_view body) {
  const std::string_view title = HtmlTitle(body);
  return title.empty() ? absl::StrCat("HTTP ", status, " with an HTML page") : ErrorText(title);
}

std::string MessageOf(int status, const OpenAiErrorFields& fields, std::string_view body) {
  std::string message = ErrorText(fields.message);
  if (message.empty() && LooksLikeHtml(body)) message = PageText(status, body);
  if (message.empty() && !fields.present) message = ErrorText(body);
  if (message.empty()) message = absl::StrCat("HTTP ", status, " without a message");
  return message;
}

std::string CodeOf(const OpenAiErrorFields& fields) {
  const std::string& word = fields.code.empty() ? fields.type : fields.code;
  return ErrorText(std::string_view(word).substr(0, 64));
}

}  // namespace

UpstreamError ClassifyOpenAiStreamError(const OpenAiErrorFields& fields) {
  UpstreamError error;
  error.kind = KindOfWord(fields.code);
  if (error.kind == FailureKind::kNone && fields.numeric_code >= 400) {
    error.kind = KindOf(fields.numeric_code, {}, fields.type);
  }
  if (error.kind == FailureKind::kNone) error.kind = KindOfWord(fields.type);
  if (error.kind == FailureKind::kNone) error.kind = FailureKind::kServerError;
  error.message = ErrorText(fields.message);
  if (error.message.empty()) error.message = "an error event without a message";
  error.code = CodeOf(fields);
  error.context_exceeded = error.code == kContextExceeded;
  error.field = FieldOfOpenAiParam(fields.param);
  return error;
}

UpstreamError ReadOpenAiError(int http_status, std::string_view body) {
  const OpenAiErrorFields fields = ReadBody(body);
  UpstreamError error;
  error.kind = KindOf(http_status, fields.code, fields.type);
  error.message = MessageOf(http_status, fields, body);
  error.code = CodeOf(fields);
  error.context_exceeded = error.code == kContextExceeded;
  if (error.kind == FailureKind::kCaller) error.field = FieldOfOpenAiParam(fields.param);
  if (error.kind == FailureKind::kCaller) error.refused = RefusedOpenAiForm(http_status, body);
  return error;
}

}  // namespace sluice
