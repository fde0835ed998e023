#include "server/codec/json_balance.h"

#include "server/codec/ascii_text.h"

namespace sluice {

size_t JsonBalance::Follow(std::string_view text) {
  size_t at = 0;
  for (; at < text.size() && state_ != State::kWhole; ++at) {
    if (state_ == State::kBlank) {
      Begin(text[at]);
    } else if (state_ == State::kOpen) {
      Step(text[at]);
    }
  }
  return at;
}

void JsonBalance::Begin(char c) {
  if (kAsciiBlanks.find(c) != std::string_view::npos) return;
  in_string_ = c == '"';
  const bool opens = c == '{' || c == '[';
  depth_ = opens ? 1 : 0;
  state_ = opens || in_string_ ? State::kOpen : State::kScalar;
}

void JsonBalance::Step(char c) {
  if (in_string_) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      in_string_ = false;
    }
  } else if (c == '"') {
    in_string_ = true;
  } else if (c == '{' || c == '[') {
    ++depth_;
  } else if ((c == '}' || c == ']') && depth_ > 0) {
    --depth_;
  }
  if (!in_string_ && depth_ == 0) state_ = State::kWhole;
}

std::string_view FirstJsonValue(std::string_view text) {
  JsonBalance balance;
  const size_t size = balance.Follow(text);
  return balance.closed() ? text.substr(0, size) : std::string_view();
}

}  // namespace sluice
