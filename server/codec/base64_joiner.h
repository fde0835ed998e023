// Base64 that comes in pieces, cut at any letter: each piece may go on where the
// last one ended, or be whole for itself. Both alphabets, blanks, and no need for
// padding. Pure; one for each stream of bytes.
#ifndef SLUICE_SERVER_CODEC_BASE64_JOINER_H_
#define SLUICE_SERVER_CODEC_BASE64_JOINER_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

class Base64Joiner {
 public:
  // Appends the bytes that are whole to `out`; what is left of the last letter
  // waits for the next piece, and is none where no piece comes. False: `piece` is
  // no base64, and was not taken at all.
  bool Add(std::string_view piece, std::string& out);

 private:
  uint32_t bits_ = 0;
  int held_ = 0;  // how many of them are no whole byte yet
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_BASE64_JOINER_H_
