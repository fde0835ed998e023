// Follows JSON text, fed in any split, through its brackets and strings to the
// end of its first value, without reading what it says. Tells whether a tool
// call's arguments are whole, and where one document ends and the next begins.
// Pure; one for each text.
#ifndef SLUICE_SERVER_CODEC_JSON_BALANCE_H_
#define SLUICE_SERVER_CODEC_JSON_BALANCE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice {

class JsonBalance {
 public:
  // Goes on with `text`: how many of its bytes belong to the value (or to blanks
  // before it). All of them, unless the value ends before.
  size_t Follow(std::string_view text);

  // Nothing but blanks came.
  bool blank() const { return state_ == State::kBlank; }
  // An object, list or string that has its end, or a number or word, whose end
  // cannot be seen.
  bool whole() const { return state_ == State::kWhole || state_ == State::kScalar; }
  // It has its end: nothing that follows belongs to it.
  bool closed() const { return state_ == State::kWhole; }

 private:
  enum class State : uint8_t { kBlank, kOpen, kWhole, kScalar };

  void Begin(char c);
  void Step(char c);

  State state_ = State::kBlank;
  bool in_string_ = false;
  bool escaped_ = false;
  uint32_t depth_ = 0;
};

// The first value of `text`, or nothing where it has no end in it.
std::string_view FirstJsonValue(std::string_view text);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_JSON_BALANCE_H_
