#include "server/codec/error_table.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "server/codec/ascii_text.h"
#include "server/codec/error_rows.h"

namespace sluice {
namespace {
// A message says what it is about at its beginning; what is far behind may be
// an echo of the request.
constexpr size_t kMaxMessage = 2048;
constexpr size_t kNearFront = 256;
constexpr size_t kMaxGap = 96;

// What the request itself is quoted after: pydantic's list of what is wrong, and
// Groq's copy of what the model made.
constexpr std::string_view kEchoes[] = {"input_value=", "'input':", "\"input\":", "\"failed_generation\":"};

// Each phrase of kContext has one of them; a test holds the table to it.
constexpr std::string_view kContextStems[] = {"context", "token", "length", "prompt", "max_", "inputs", "too l"};

bool IsWordCharacter(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// "rate_limit_exceeded", "RateLimitExceeded" and "Rate limit exceeded" are one;
// what AWS puts before '#' and behind ':' is none of the word.
std::string Normal(std::string_view word) {
  word = word.substr(0, 128);
  word = word.substr(word.rfind('#') + 1);
  if (const size_t colon = word.find(':'); colon > 0) word = word.substr(0, colon);
  std::string normal = AsciiLower(TrimBlanks(word));
  normal.erase(std::remove_if(normal.begin(), normal.end(), [](char c) { return c == '_' || c == '-' || c == ' '; }),
               normal.end());
  return normal;
}

// `pattern` is the whole of `word`; a star is any run.
bool IsWhole(std::string_view word, std::string_view pattern) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return word == pattern;
  if (!word.starts_with(pattern.substr(0, star))) return false;
  word.remove_prefix(star);
  const std::string_view rest = pattern.substr(star + 1);
  if (rest.find('*') == std::string_view::npos) return word.ends_with(rest);
  for (size_t at = 0; at <= word.size(); ++at) {
    if (IsWhole(word.substr(at), rest)) return true;
  }
  return false;
}

// The rest of a phrase, whose beginning was found at the front of `text`.
bool Continues(std::string_view text, std::string_view pattern) {
  for (;;) {
    const size_t star = pattern.find('*');
    if (!text.starts_with(pattern.substr(0, star))) return false;
    if (star == std::string_view::npos) return true;
    text.remove_prefix(star);
    pattern.remove_prefix(star + 1);
    const std::string_view next = pattern.substr(0, pattern.find('*'));
    const size_t found = text.substr(0, kMaxGap + next.size()).find(next);
    if (found == std::string_view::npos) return false;
    text.remove_prefix(found);
  }
}

bool IsWithin(std::string_view text, std::string_view pattern) {
  const std::string_view first = pattern.substr(0, pattern.find('*'));
  for (size_t at = text.find(first); at != std::string_view::npos; at = text.find(first, at + 1)) {
    const bool inside_word = at > 0 && IsWordCharacter(first.front()) && IsWordCharacter(text[at - 1]);
    if (!inside_word && Continues(text.substr(at), pattern)) return true;
  }
  return false;
}

std::string Looked(std::string_view message) {
  std::string text = AsciiLower(message.substr(0, kMaxMessage));
  // Typographic apostrophes, as some servers write "model’s".
  for (size_t at = text.find("’"); at != std::string::npos; at = text.find("’", at)) text.replace(at, 3, "'");
  size_t end = text.size();
  for (const std::string_view echo : kEchoes) end = std::min(end, text.find(echo));
  text.resize(end);
  return text;
}

// Signs that cost the caller's request alone something if they are read wrongly.
bool IsOfTheRequest(ErrorSign sign) {
  return sign == ErrorSign::kRefused || sign == ErrorSign::kContext || sign == ErrorSign::kModelFailed;
}

ErrorSign SignOf(ErrorPlace place, std::string_view word) {
  for (const ErrorRow& row : ErrorRows()) {
    if (row.place == place && IsWhole(word, row.text)) return row.sign;
  }
  return ErrorSign::kNone;
}

}  // namespace

ErrorSign SignOfWord(std::string_view word) {
  const std::string normal = Normal(word);
  return normal.empty() ? ErrorSign::kNone : SignOf(ErrorPlace::kWord, normal);
}

bool MayTellOfContext(std::string_view text) {
  const std::string lower = AsciiLower(text.substr(0, kMaxMessage));
  return std::any_of(std::begin(kContextStems), std::end(kContextStems),
                     [&](std::string_view stem) { return lower.find(stem) != std::string::npos; });
}

ErrorSign SignOfBaseCode(int code) { return SignOf(ErrorPlace::kBaseCode, std::to_string(code)); }

ErrorSign SignOfMessage(std::string_view message, bool only_refusal) {
  const std::string text = Looked(message);
  const std::string_view front = std::string_view(text).substr(0, kNearFront);
  for (const ErrorRow& row : ErrorRows()) {
    if (row.place != ErrorPlace::kMessage || (only_refusal && row.sign == ErrorSign::kOverload)) continue;
    const bool near = only_refusal && !IsOfTheRequest(row.sign);
    if (IsWithin(near ? front : std::string_view(text), row.text)) return row.sign;
  }
  return ErrorSign::kNone;
}

}  // namespace sluice
