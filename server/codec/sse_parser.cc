#include "server/codec/sse_parser.h"

#include <charconv>

namespace sluice {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Data whose name stands there again.
std::string_view WithoutName(std::string_view data) {
  while (data.starts_with("data:") || data.starts_with(' ')) data.remove_prefix(data.front() == ' ' ? 1 : 5);
  return data;
}

bool AllDigits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

void SseParser::Feed(std::string_view bytes) {
  input_ = bytes;
  pos_ = 0;
  line_feed_known_ = false;
}

void SseParser::SkipByteOrderMark() {
  while (bom_matched_ >= 0 && pos_ < input_.size()) {
    if (input_[pos_] != kByteOrderMark[bom_matched_]) {
      line_.append(kByteOrderMark.substr(0, bom_matched_));
      bom_matched_ = -1;
    } else {
      ++pos_;
      bom_matched_ = bom_matched_ == 2 ? -1 : bom_matched_ + 1;
    }
  }
}

std::optional<std::string_view> SseParser::TakeLine() {
  if (skip_line_feed_ && pos_ < input_.size()) {
    if (input_[pos_] == '\n') ++pos_;
    skip_line_feed_ = false;
  }
  // Remembered, so that a buffer of '\r' lines is not searched anew for each.
  if (!line_feed_known_ || (line_feed_ != std::string_view::npos && line_feed_ < pos_)) {
    line_feed_ = input_.find('\n', pos_);
    line_feed_known_ = true;
  }
  const size_t until = line_feed_ == std::string_view::npos ? input_.size() : line_feed_;
  const size_t carriage_return = input_.substr(0, until).find('\r', pos_);
  const bool by_return = carriage_return != std::string_view::npos;
  if (!by_return && line_feed_ == std::string_view::npos) return std::nullopt;
  const size_t end = by_return ? carriage_return : line_feed_;
  std::string_view line = input_.substr(pos_, end - pos_);
  pos_ = end + 1;
  skip_line_feed_ = by_return;
  if (!line_.empty()) {
    line_.append(line);
    line_taken_ = true;
    line = line_;
  }
  return line;
}

bool SseParser::CarryOver() {
  line_.append(input_.substr(pos_));
  pos_ = input_.size();
  // An event that was handed out whole needs no copy.
  if (data_is_view_ && has_data_) data_.assign(data_view_);
  data_is_view_ = false;
  input_ = {};
  pos_ = 0;
  line_feed_known_ = false;
  return line_.size() <= max_;
}

void SseParser::TakeNextData() {
  has_next_data_ = false;
  data_.swap(next_data_);
  data_is_view_ = false;
  has_data_ = true;
  balanced_ = false;
  TakeLateType();
}

void SseParser::TakeLateType() {
  if (!has_late_type_) return;
  has_late_type_ = false;
  type_.swap(late_type_);
}

SseParser::Result SseParser::Next(SseEvent& event) {
  if (too_large_) return Result::kTooLarge;
  if (clear_type_) type_.clear();
  clear_type_ = false;
  if (has_next_data_) TakeNextData();
  SkipByteOrderMark();
  LineResult result = LineResult::kNone;
  while (result == LineResult::kNone) {
    if (line_taken_) line_.clear();
    line_taken_ = false;
    if (const std::optional<std::string_view> line = TakeLine()) {
      result = OnLine(*line);
      continue;
    }
    if (!CarryOver()) {
      result = LineResult::kTooLarge;
    } else if (!finished_) {
      return Result::kMore;
    } else if (!line_.empty()) {
      line_taken_ = true;
      result = OnLine(line_);
    } else if (!has_data_) {
      return Result::kMore;
    } else {
      result = Dispatch();
    }
  }
  too_large_ = result == LineResult::kTooLarge;
  if (too_large_) return Result::kTooLarge;
  event.type = type_;
  event.data = data();
  event.id = id_;
  return Result::kEvent;
}

SseParser::LineResult SseParser::OnLine(std::string_view line) {
  if (line.size() > max_) return LineResult::kTooLarge;
  if (line.empty()) return Dispatch();
  if (documents_ == Documents::kEachIsAnEvent && (line.front() == '{' || line.front() == '[')) {
    return OnBareDocument(line);
  }
  const size_t colon = line.find(':');
  if (colon == 0) return LineResult::kNone;  // a comment
  if (colon == std::string_view::npos) return OnField(line, {});
  std::string_view value = line.substr(colon + 1);
  if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  return OnField(line.substr(0, colon), value);
}

SseParser::LineResult SseParser::OnField(std::string_view name, std::string_view value) {
  if (name == "data") return OnData(value);
  if (name == "event") {
    has_late_type_ = has_data_;
    (has_data_ ? late_type_ : type_).assign(value);
  } else if (name == "id") {
    if (value.find('\0') == std::string_view::npos) id_.assign(value);
  } else if (name == "retry") {
    int64_t ms = 0;
    const bool fits = std::from_chars(value.data(), value.data() + value.size(), ms).ec == std::errc();
    if (AllDigits(value) && fits) retry_ms_ = ms;
  }
  return LineResult::kNone;
}

SseParser::LineResult SseParser::OnData(std::string_view value) {
  if (has_data_ && documents_ == Documents::kEachIsAnEvent && DataIsWhole(value)) {
    next_data_.assign(value);
    has_next_data_ = true;
    has_data_ = false;
    clear_type_ = true;
    return LineResult::kEvent;
  }
  return AppendData(value) ? LineResult::kNone : LineResult::kTooLarge;
}

SseParser::LineResult SseParser::OnBareDocument(std::string_view line) {
  const LineResult result = OnData(line);
  // The next line is another document's, or none.
  return result == LineResult::kNone && FirstJsonValue(line).size() == line.size() ? Dispatch() : result;
}

bool SseParser::DataIsWhole(std::string_view next) {
  if (!balanced_) {
    balance_ = JsonBalance();
    balance_.Follow(WithoutName(data()));
    balanced_ = true;
  }
  // No JSON, as "ping", and then some, or [DONE].
  next = WithoutName(next);
  const bool word = balance_.whole() && !balance_.closed();
  return balance_.closed() || (word && (next.starts_with('{') || next.starts_with('[')));
}

bool SseParser::AppendData(std::string_view value) {
  if (!has_data_) {
    has_data_ = true;
    balanced_ = false;
    // A line that was carried over lies in line_, which the next one clears.
    data_is_view_ = !line_taken_;
    if (data_is_view_) {
      data_view_ = value;
    } else {
      data_.assign(value);
    }
    return true;
  }
  if (data_is_view_) data_.assign(data_view_);
  data_is_view_ = false;
  data_.push_back('\n');
  data_.append(value);
  if (balanced_) balance_.Follow(value);
  return data_.size() <= max_;
}

SseParser::LineResult SseParser::Dispatch() {
  if (!has_data_) {
    type_.clear();
    return LineResult::kNone;
  }
  TakeLateType();
  has_data_ = false;
  clear_type_ = true;
  return LineResult::kEvent;
}

}  // namespace sluice
