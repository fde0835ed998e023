#include "server/codec/openai_error.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/codec/ascii_text.h"
#include "server/codec/error_body.h"
#include "server/codec/error_table.h"
#include "server/codec/error_text.h"
#include "server/codec/openai_fields.h"
#include "server/codec/openai_refusal.h"
#include "server/codec/retry_text.h"
#include "server/resilience/retry_after.h"

namespace sluice {
namespace {

// A quota that comes back within minutes is a limit on a rate: so Gemini calls
// what it allows a minute.
constexpr Duration kSoonBack = absl::Minutes(5);

struct Verdict {
  FailureKind kind = FailureKind::kNone;
  bool context_exceeded = false;
};

Verdict VerdictOf(ErrorSign sign) {
  switch (sign) {
    case ErrorSign::kQuota:
      return {FailureKind::kQuota};
    case ErrorSign::kRefused:
      return {FailureKind::kRefused};
    case ErrorSign::kContext:
      return {FailureKind::kCaller, true};
    case ErrorSign::kModelFailed:
    case ErrorSign::kServer:
      return {FailureKind::kServerError};
    case ErrorSign::kRateLimited:
      return {FailureKind::kRateLimited};
    case ErrorSign::kNotFound:
      return {FailureKind::kNotFound};
    case ErrorSign::kAuth:
      return {FailureKind::kAuth};
    case ErrorSign::kOverload:
      return {FailureKind::kOverload};
    case ErrorSign::kCaller:
      return {FailureKind::kCaller};
    case ErrorSign::kNone:
      break;
  }
  return {};
}

// What the words of an error say, apart from its status.
struct Signs {
  ErrorSign words = ErrorSign::kNone;
  ErrorSign phrase = ErrorSign::kNone;

  bool Say(ErrorSign sign) const { return words == sign || phrase == sign; }
  // What counts most. A code that says "rate limit" is not overruled by a prompt
  // that is too long for it.
  ErrorSign Most() const {
    const bool of_a_rate = words == ErrorSign::kRateLimited && phrase == ErrorSign::kContext;
    return of_a_rate ? words : std::min(words, phrase);
  }
};

Signs SignsOf(const ErrorBody& error, bool only_refusal) {
  Signs signs;
  for (const std::string& word : error.words) signs.words = std::min(signs.words, SignOfWord(word));
  if (error.base_code != 0) signs.words = std::min(signs.words, SignOfBaseCode(error.base_code));
  signs.phrase = SignOfMessage(error.message, only_refusal);
  if (signs.phrase == ErrorSign::kNone) signs.phrase = SignOfMessage(error.hints, only_refusal);
  const bool of_a_day = AsciiLower(error.hints).find("perday") != std::string::npos;
  const bool soon = error.retry_after && *error.retry_after <= kSoonBack && !of_a_day;
  if (soon && signs.phrase == ErrorSign::kQuota) signs.phrase = ErrorSign::kRateLimited;
  return signs;
}

// An event has no status: its words are all there is.
Verdict OfEvent(const Signs& signs) {
  const ErrorSign most = signs.Most();
  return VerdictOf(most == ErrorSign::kNone ? ErrorSign::kServer : most);
}

// A refused request says little by its status; its words may say more, but not
// that some server failed: proxies call everything so.
Verdict OfRefusedRequest(const Signs& signs) {
  const ErrorSign most = signs.Most();
  return VerdictOf(most < ErrorSign::kOverload ? most : ErrorSign::kCaller);
}

// A credential that is refused, unless it is the account, the content, or (403)
// something else that the words name.
Verdict OfRefusedCredential(int status, const Signs& signs) {
  if (signs.Say(ErrorSign::kQuota)) return VerdictOf(ErrorSign::kQuota);
  if (signs.Say(ErrorSign::kRefused)) return VerdictOf(ErrorSign::kRefused);
  if (status == 401) return VerdictOf(ErrorSign::kAuth);
  if (signs.Most() == ErrorSign::kContext) return VerdictOf(ErrorSign::kContext);
  if (signs.Say(ErrorSign::kRateLimited)) return VerdictOf(ErrorSign::kRateLimited);
  return VerdictOf(signs.words == ErrorSign::kNotFound ? ErrorSign::kNotFound : ErrorSign::kAuth);
}

Verdict OfRateLimit(const Signs& signs) {
  if (signs.words <= ErrorSign::kContext) return VerdictOf(signs.words);
  return VerdictOf(signs.phrase == ErrorSign::kQuota ? ErrorSign::kQuota : ErrorSign::kRateLimited);
}

Verdict OfStatus(int status, const Signs& signs) {
  const FailureKind by_status = KindOfHttpStatus(status);
  switch (by_status) {
    case FailureKind::kQuota:
      return {FailureKind::kQuota};
    case FailureKind::kAuth:
      return OfRefusedCredential(status, signs);
    case FailureKind::kRateLimited:
      return OfRateLimit(signs);
    case FailureKind::kNotFound:
      // Words of a quota or of a policy: some send everything as a 404.
      return signs.words <= ErrorSign::kRefused ? VerdictOf(signs.words) : Verdict{FailureKind::kNotFound};
    case FailureKind::kCaller:
      return OfRefusedRequest(signs);
    default:
      break;
  }
  // What happens to be in the body of a 5xx does not make an upstream's failure
  // the account's or the caller's, but that the prompt is too long
  // (ggml-org/llama.cpp#19774 says so with a 500).
  const bool too_long = status >= 500 && signs.Most() == ErrorSign::kContext;
  return too_long ? VerdictOf(ErrorSign::kContext) : Verdict{by_status};
}

bool TellsOfContext(const ErrorBody& error) {
  return MayTellOfContext(error.message) || MayTellOfContext(error.hints) || MayTellOfContext(error.code) ||
         MayTellOfContext(error.type);
}

Verdict Judge(int http_status, const ErrorBody& error) {
  // The status that a proxy puts around an error says less than the one in it.
  const bool vague = http_status == 0 || KindOfHttpStatus(http_status) == FailureKind::kCaller;
  const int status = vague && error.http_status != 0 ? error.http_status : http_status;
  // A storm of 503s is not looked through for what would change nothing.
  if (status >= 500 && !TellsOfContext(error)) return {KindOfHttpStatus(status)};
  const Signs signs = SignsOf(error, status != 0 && KindOfHttpStatus(status) == FailureKind::kCaller);
  return status == 0 ? OfEvent(signs) : OfStatus(status, signs);
}

bool IsNameCharacter(char c) {
  const char lower = AsciiLower(c);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '[' || c == ']';
}

// The field that a refusal names in quotes ("Unsupported parameter: 'seed'") or
// behind a colon ("argument supplied: stream_options").
std::string_view FieldInMessage(std::string_view message) {
  message = message.substr(0, kMaxErrorText);
  for (size_t at = 0; at < message.size(); ++at) {
    const bool quote = message[at] == '\'' || message[at] == '"' || message[at] == '`';
    const bool colon = message[at] == ':' && at + 1 < message.size() && message[at + 1] == ' ';
    if (!quote && !colon) continue;
    const size_t begin = at + (colon ? 2 : 1);
    size_t end = begin;
    while (end < message.size() && IsNameCharacter(message[end])) ++end;
    const bool closed = colon || (end < message.size() && message[end] == message[at]);
    const std::string_view field = closed ? FieldOfOpenAiParam(message.substr(begin, end - begin)) : std::string_view();
    if (!field.empty()) return field;
  }
  return {};
}

std::string_view FieldOf(const ErrorBody& error) {
  const std::string_view field = FieldOfOpenAiParam(error.param);
  return field.empty() ? FieldInMessage(error.message) : field;
}

std::string CodeOf(const ErrorBody& error) {
  const std::string& word = error.code.empty() ? error.type : error.code;
  return ErrorText(std::string_view(word).substr(0, 64));
}

// All but the message.
UpstreamError Classify(int http_status, ErrorBody& error) {
  if (!error.retry_after) error.retry_after = ReadRetryText(error.message);
  if (!error.retry_after) error.retry_after = ReadRetryText(error.hints);
  const Verdict verdict = Judge(http_status, error);
  UpstreamError read;
  read.kind = verdict.kind;
  read.context_exceeded = verdict.context_exceeded;
  read.code = CodeOf(error);
  if (read.kind == FailureKind::kCaller) read.field = FieldOf(error);
  if (error.retry_after && TraitsOf(read.kind).cools_down) {
    read.retry_after = std::clamp(*error.retry_after, absl::ZeroDuration(), kMaxRetryAfter);
  }
  return read;
}

UpstreamError ClassifyEvent(ErrorBody& error) {
  UpstreamError read = Classify(0, error);
  read.message = ErrorText(error.message);
  if (read.message.empty()) read.message = "an error event without a message";
  return read;
}

std::string PageText(int status, std::string_view body) {
  const std::string_view title = HtmlTitle(body);
  return title.empty() ? absl::StrCat("HTTP ", status, " with an HTML page") : ErrorText(title);
}

}  // namespace

UpstreamError ClassifyOpenAiStreamError(const OpenAiErrorFields& fields) {
  ErrorBody error;
  error.code = fields.code;
  error.type = fields.type;
  error.param = fields.param;
  error.http_status = HttpStatusOfCode(fields.numeric_code > 0 ? absl::StrCat(fields.numeric_code) : fields.code);
  for (const std::string& word : {fields.code, fields.type}) {
    if (!word.empty()) error.words.push_back(word);
  }
  ReadErrorWithin(fields.message, error);
  return ClassifyEvent(error);
}

std::optional<UpstreamError> ReadOpenAiErrorIn200(std::string_view json) {
  ErrorBody error = ReadErrorBody(json);
  if (!error.is_error) return std::nullopt;
  return ClassifyEvent(error);
}

UpstreamError ReadOpenAiErrorEvent(std::string_view data) {
  ErrorBody error = ReadErrorBody(data);
  if (!error.is_json) error.message = std::string(data);
  return ClassifyEvent(error);
}

UpstreamError ReadOpenAiError(int http_status, std::string_view body) {
  ErrorBody error = ReadErrorBody(body);
  const bool page = !error.is_json && LooksLikeHtml(body);
  // Plain text, or a document that was cut: its beginning says what it is.
  if (!error.is_json && !page) error.message = std::string(body);
  UpstreamError read = Classify(http_status, error);
  read.message = page ? PageText(http_status, body) : ErrorText(error.message);
  if (read.message.empty()) read.message = absl::StrCat("HTTP ", http_status, " without a message");
  if (read.kind == FailureKind::kCaller) read.refused = RefusedOpenAiForm(http_status, body);
  return read;
}

}  // namespace sluice
