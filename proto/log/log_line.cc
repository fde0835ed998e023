#include "proto/log/log_line.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

// Needs no quotes in text: printable ASCII but for what ends or escapes a value.
bool IsPlain(char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '='; }

void AppendMilliPart(int value, std::string& out) {
  out.push_back(static_cast<char>('0' + value / 100));
  out.push_back(static_cast<char>('0' + value / 10 % 10));
  out.push_back(static_cast<char>('0' + value % 10));
}

struct Character {
  char32_t code = 0;
  size_t bytes = 0;  // 0: not UTF-8
};

// The character at the beginning of `text`, which is not empty.
Character FirstOf(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return {};
  char32_t code = lead & (0xff >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = (code << 6) | (byte(i) & 0x3f);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return {};
  return {code, length};
}

// Ends a line, moves a terminal's cursor, or turns its text around.
bool IsControl(char32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200e && code <= 0x200f) ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

void AppendEscaped(char32_t code, std::string& out) {
  if (code == '"' || code == '\\') {
    out.push_back('\\');
    out.push_back(static_cast<char>(code));
  } else if (code == '\n') {
    out += "\\n";
  } else if (code == '\t') {
    out += "\\t";
  } else {
    absl::StrAppend(&out, "\\u", absl::Hex(static_cast<uint32_t>(code), absl::kZeroPad4));
  }
}

// Escaped as JSON demands, or, where it stands without quotes, only what would
// end the line or steer a terminal. Cut after `most` bytes.
void AppendSafe(std::string_view value, size_t most, bool quoted, std::string& out) {
  size_t taken = 0;
  while (!value.empty()) {
    const Character first = FirstOf(value);
    const size_t bytes = std::max<size_t>(first.bytes, 1);
    taken += bytes;
    if (taken > most) {
      out += "…";
      break;
    }
    if (first.bytes == 0) {
      out += "\ufffd";
    } else if (IsControl(first.code) || (quoted && (first.code == '"' || first.code == '\\'))) {
      AppendEscaped(first.code, out);
    } else {
      out.append(value.substr(0, bytes));
    }
    value.remove_prefix(bytes);
  }
}

void AppendQuoted(std::string_view value, std::string& out) {
  out.push_back('"');
  AppendSafe(value, kMaxLogValue, true, out);
  out.push_back('"');
}

}  // namespace

void LogClock::Append(absl::Time now, std::string& out) {
  const int64_t millis = std::max<int64_t>(0, absl::ToUnixMillis(now));
  if (millis / 1000 != second_) {
    second_ = millis / 1000;
    head_ = absl::FormatTime("%Y-%m-%dT%H:%M:%S.", absl::FromUnixSeconds(second_), absl::UTCTimeZone());
  }
  out += head_;
  AppendMilliPart(static_cast<int>(millis % 1000), out);
  out.push_back('Z');
}

void LogLine::Begin(LogClock& clock, absl::Time now, std::string_view level, std::string_view message) {
  const bool json = format_ == LogFormat::kJson;
  if (json) out_ += R"({"time":")";
  clock.Append(now, out_);
  out_ += json ? R"(","level":")" : " ";
  out_ += level;
  out_ += json ? R"(","message":")" : " ";
  AppendSafe(message, kMaxLogMessage, json, out_);
  if (json) out_.push_back('"');
}

void LogLine::Key(std::string_view key) {
  if (format_ == LogFormat::kText) {
    out_.push_back(' ');
    out_ += key;
    out_.push_back('=');
  } else {
    out_ += ",\"";
    out_ += key;
    out_ += "\":";
  }
}

void LogLine::Text(std::string_view key, std::string_view value) {
  if (value.empty()) return;
  Key(key);
  const bool plain = value.size() <= kMaxLogValue && std::all_of(value.begin(), value.end(), IsPlain);
  if (!plain) {
    AppendQuoted(value, out_);
  } else if (format_ == LogFormat::kText) {
    out_ += value;
  } else {
    out_.push_back('"');
    out_ += value;
    out_.push_back('"');
  }
}

void LogLine::Number(std::string_view key, int64_t value) {
  Key(key);
  absl::StrAppend(&out_, value);
}

void LogLine::Flag(std::string_view key, bool value) {
  Key(key);
  out_ += value ? "true" : "false";
}

void LogLine::Millis(std::string_view key, absl::Duration value) {
  const int64_t micros = std::max<int64_t>(0, absl::ToInt64Microseconds(value));
  Key(key);
  absl::StrAppend(&out_, micros / 1000, ".");
  AppendMilliPart(static_cast<int>(micros % 1000), out_);
}

void LogLine::End() { out_ += format_ == LogFormat::kText ? "\n" : "}\n"; }

}  // namespace sluice
