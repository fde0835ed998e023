// Makes whole UTF-8 of text that comes in pieces: one bad byte would make a
// caller's whole protobuf message unreadable. Shared by all wire formats; one
// joiner for each part of an answer.
#ifndef SLUICE_SERVER_CODEC_UTF8_JOINER_H_
#define SLUICE_SERVER_CODEC_UTF8_JOINER_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

class Utf8Joiner {
 public:
  // The whole characters of what was held back and `piece`; what may be the
  // beginning of a character at its end is held back. A high surrogate and the
  // low one that follows it, each in three bytes, become one character;
  // anything invalid becomes U+FFFD. Valid until the next call; `piece` itself
  // where nothing had to be done.
  std::string_view Join(std::string_view piece);

  // Nothing more comes: what was held back, as U+FFFD, or empty.
  std::string_view Flush();

  void Reset() { held_.clear(); }

 private:
  std::string held_;  // less than six bytes
  std::string work_;
  std::string out_;
};

// All of `text` as whole UTF-8; invalid pieces become U+FFFD.
std::string WholeUtf8(std::string_view text);

// The longest beginning of the whole UTF-8 `text` within `max_bytes`.
std::string_view CutUtf8(std::string_view text, size_t max_bytes);

// Also for surrogates, which get the three bytes that UTF-8 forbids.
void AppendUtf8(uint32_t code, std::string& out);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_UTF8_JOINER_H_
