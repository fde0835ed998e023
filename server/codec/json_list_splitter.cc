#include "server/codec/json_list_splitter.h"

#include <algorithm>

namespace sluice {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Longer ones are none of ours.
constexpr size_t kMaxKey = 32;

bool IsBorder(char c) { return c == '"' || c == '{' || c == '}' || c == '[' || c == ']'; }

}  // namespace

JsonListSplitter::Result JsonListSplitter::Next(std::string_view& bytes) {
  if (!in_element_) element_.clear();
  while (!bytes.empty()) {
    const size_t plain = PlainRun(bytes);
    if (plain > 0) {
      if (Keep(bytes.substr(0, plain)) == Result::kTooLarge) return Result::kTooLarge;
      bytes.remove_prefix(plain);
      continue;
    }
    const char c = bytes.front();
    bytes.remove_prefix(1);
    if (const Result result = Take(c); result != Result::kMore) return result;
  }
  return Result::kMore;
}

size_t JsonListSplitter::PlainRun(std::string_view bytes) const {
  if (depth_ == 0 || escaped_ || (in_list_ && !in_element_)) return 0;
  const auto border = in_string_ ? std::find_if(bytes.begin(), bytes.end(), [](char c) { return c == '"' || c == '\\'; })
                                 : std::find_if(bytes.begin(), bytes.end(), IsBorder);
  return static_cast<size_t>(border - bytes.begin());
}

JsonListSplitter::Result JsonListSplitter::Take(char c) {
  if (in_string_) return InString(c);
  if (depth_ > 0) return in_list_ && !in_element_ ? BetweenElements(c) : Outside(c);
  if (IsBlank(c)) return Result::kMore;
  if (c != '{' && c != '[') return Result::kMalformed;
  ++depth_;
  in_list_ = c == '[';
  list_depth_ = depth_;
  return Keep(std::string_view(&c, 1));
}

JsonListSplitter::Result JsonListSplitter::InString(char c) {
  if (escaped_) {
    escaped_ = false;
  } else if (c == '\\') {
    escaped_ = true;
  } else {
    in_string_ = false;  // its closing quote
    const Result kept = Keep("\"");
    if (kept == Result::kMore && in_element_ && depth_ == list_depth_) return EndElement();
    return kept;
  }
  return Keep(std::string_view(&c, 1));
}

JsonListSplitter::Result JsonListSplitter::BetweenElements(char c) {
  if (IsBlank(c)) return Result::kMore;
  if (c == ',' && comma_due_) {
    comma_due_ = false;
    element_due_ = true;
    return Result::kMore;
  }
  if (c == ']' && !element_due_) {
    in_list_ = false;
    if (Keep("]") == Result::kTooLarge) return Result::kTooLarge;
    return --depth_ == 0 ? Result::kEnd : Result::kMore;
  }
  const bool begins = c == '{' || c == '[' || c == '"';
  return begins && !comma_due_ ? BeginElement(c) : Result::kMalformed;
}

JsonListSplitter::Result JsonListSplitter::BeginElement(char c) {
  element_due_ = false;
  in_element_ = true;
  const Result kept = Keep(std::string_view(&c, 1));
  in_string_ = c == '"';
  if (!in_string_) ++depth_;
  return kept;
}

JsonListSplitter::Result JsonListSplitter::EndElement() {
  in_element_ = false;
  comma_due_ = true;
  return Result::kElement;
}

bool JsonListSplitter::IsKey() const { return std::find(keys_.begin(), keys_.end(), last_text_) != keys_.end(); }

JsonListSplitter::Result JsonListSplitter::Outside(char c) {
  const Result kept = Keep(std::string_view(&c, 1));
  if (kept != Result::kMore) return kept;
  switch (c) {
    case '"':
      in_string_ = true;
      if (depth_ == 1) last_text_.clear();
      return Result::kMore;
    case '{':
    case '[':
      ++depth_;
      if (!in_list_ && depth_ == 2 && c == '[' && IsKey()) {
        in_list_ = true;
        list_depth_ = depth_;
      }
      if (!in_element_) comma_due_ = element_due_ = false;
      return Result::kMore;
    default:
      return Close();
  }
}

JsonListSplitter::Result JsonListSplitter::Close() {
  --depth_;
  if (depth_ == 0) return Result::kEnd;
  return in_element_ && depth_ == list_depth_ ? EndElement() : Result::kMore;
}

JsonListSplitter::Result JsonListSplitter::Keep(std::string_view bytes) {
  if (in_string_ && depth_ == 1 && !in_element_ && last_text_.size() < kMaxKey) {
    last_text_.append(bytes.substr(0, kMaxKey - last_text_.size()));
  }
  std::string& piece = in_element_ ? element_ : envelope_;
  if (piece.size() + bytes.size() > max_bytes_) return Result::kTooLarge;
  piece.append(bytes);
  return Result::kMore;
}

}  // namespace sluice
