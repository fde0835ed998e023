// Builds one line of log: text ("time level message key=value …") or a JSON
// object. The fields have the same names and values in both. Pure; the caller
// owns the buffer, which is used again and again.
#ifndef SLUICE_PROTO_LOG_LOG_LINE_H_
#define SLUICE_PROTO_LOG_LOG_LINE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace sluice {

enum class LogFormat { kText, kJson };

// A longer value is cut, between characters, and ends with "…".
inline constexpr size_t kMaxLogValue = 512;
// So is a message: a page of findings has room, a line stays a line.
inline constexpr size_t kMaxLogMessage = 8192;

// "2026-11-28T14:02:11.123Z": UTC in all forms and both planes, so that lines
// of several machines can be laid side by side. Remembers the last second, for
// most lines share it.
class LogClock {
 public:
  void Append(absl::Time now, std::string& out);

 private:
  int64_t second_ = -1;
  std::string head_;  // to the second
};

class LogLine {
 public:
  // Replaces what is in `out`, which outlives the line.
  LogLine(LogFormat format, std::string& out) : format_(format), out_(out) { out_.clear(); }

  // First. `level` is a word of ours; of `message` control characters are escaped.
  void Begin(LogClock& clock, absl::Time now, std::string_view level, std::string_view message);
  // An empty value is left out. Control characters are escaped and what is not
  // UTF-8 is replaced: a line stays a line, and JSON.
  void Text(std::string_view key, std::string_view value);
  void Number(std::string_view key, int64_t value);
  void Flag(std::string_view key, bool value);
  // Milliseconds with microseconds: 1050.250. Never below zero.
  void Millis(std::string_view key, absl::Duration value);
  // Last: closes the line.
  void End();

 private:
  void Key(std::string_view key);

  const LogFormat format_;
  std::string& out_;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_LOG_LOG_LINE_H_
