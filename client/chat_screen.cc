#include "client/chat_screen.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "google/protobuf/util/json_util.h"

namespace sluice {
namespace {

constexpr std::string_view kDim = "\x1b[2m";
constexpr std::string_view kReset = "\x1b[0m";

// How many bytes of a control character, or of a mark that turns the direction of
// writing, `text` begins with; 0: none.
size_t SteeringBytes(std::string_view text) {
  const auto at = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  if (at(0) == 0x7F || (at(0) < 0x20 && at(0) != '\n' && at(0) != '\t')) return 1;
  // C1 controls: U+0080 to U+009F.
  if (at(0) == 0xC2 && at(1) >= 0x80 && at(1) < 0xA0) return 2;
  // Embeddings and overrides, U+202A to U+202E; isolates, U+2066 to U+2069.
  const bool turns = at(0) == 0xE2 && ((at(1) == 0x80 && at(2) >= 0xAA && at(2) <= 0xAE) ||
                                       (at(1) == 0x81 && at(2) >= 0xA6 && at(2) <= 0xA9));
  return turns ? 3 : 0;
}

std::string_view OutcomeWord(v1::Outcome outcome) {
  switch (outcome) {
    case v1::OUTCOME_COMPLETE:
      return "complete";
    case v1::OUTCOME_TRUNCATED:
      return "cut off";
    case v1::OUTCOME_FALLBACK:
      return "fallback";
    default:
      return "failed";
  }
}

// " spare, after overload": which one answered, and why it had to.
std::string FallbackText(const v1::End& end) {
  std::string text;
  if (!end.fallback().empty()) absl::StrAppend(&text, " ", SafeForTerminal(end.fallback()));
  const v1::CallError& cause = end.error();
  const std::string& why = cause.error_class().empty() ? cause.reason() : cause.error_class();
  if (!why.empty()) absl::StrAppend(&text, ", after ", SafeForTerminal(why));
  return text;
}

// "A title, https://…"
std::string SourceLine(const v1::Citation& source) {
  const std::string& place = source.url().empty() ? source.file_id() : source.url();
  return SafeForTerminal(absl::StrCat(source.title(), source.title().empty() || place.empty() ? "" : ", ", place));
}

std::string JsonLine(const v1::ChatEvent& event) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string line;
  if (!google::protobuf::util::MessageToJsonString(event, &line, options).ok()) return "{}";
  return line;
}

}  // namespace

std::string TailLine(const v1::End& end, const AnswerTiming& timing) {
  std::string line(OutcomeWord(end.outcome()));
  if (end.outcome() == v1::OUTCOME_FALLBACK) absl::StrAppend(&line, FallbackText(end));
  if (!end.served_by().empty()) absl::StrAppend(&line, " · ", end.served_by());
  if (end.restarts() > 0) {
    absl::StrAppend(&line, " · ", end.restarts(), end.restarts() == 1 ? " restart" : " restarts");
  }
  const int attempts = end.attempts_size();
  if (attempts > 0) absl::StrAppend(&line, " · ", attempts, attempts == 1 ? " attempt" : " attempts");
  if (timing.first_token > absl::ZeroDuration()) {
    absl::StrAppend(&line, " · first token ", SayDuration(timing.first_token));
  }
  if (!end.delivered().has_output_tokens()) return line;
  const int tokens = end.delivered().output_tokens();
  absl::StrAppend(&line, " · ", end.delivered().estimated() ? "about " : "", tokens,
                  tokens == 1 ? " token" : " tokens");
  const double seconds = absl::ToDoubleSeconds(timing.total - timing.first_token);
  // A handful of tokens in one packet says nothing about a rate.
  if (tokens > 1 && seconds >= 0.01) absl::StrAppend(&line, absl::StrFormat(" at %.0f/s", tokens / seconds));
  return line;
}

// Not SafeText (proto/terminal): an answer comes in pieces, and a joiner belongs to
// the emoji of the piece before.
std::string SafeForTerminal(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t steers = SteeringBytes(text.substr(i));
    if (steers == 0) {
      safe += text[i++];
    } else {
      safe += "\xEF\xBF\xBD";
      i += steers;
    }
  }
  return safe;
}

void ChatScreen::Start(absl::Time now) {
  started_ = now;
  first_token_ = absl::InfiniteFuture();
  at_line_start_ = true;
  wrote_ = false;
  has_text_ = false;
  part_ = -1;
  tools_.clear();
  sources_.clear();
}

void ChatScreen::Show(const v1::ChatEvent& event, absl::Time now) {
  const bool content = event.has_content() || event.has_reasoning() || event.has_refusal() ||
                       event.has_tool_call_start() || event.has_tool_call_delta() || event.has_media();
  if (content) first_token_ = std::min(first_token_, now);
  if (options_.json) {
    out_ << JsonLine(event) << std::endl;
    return;
  }
  if (event.continuation().mode() == v1::CONTINUATION_MODE_RESTART) return Restart(event.continuation());
  if (event.choice() != 0) return;
  if (content) TurnTo(event);
  if (event.has_content()) Write(event.content().text(), Style::kPlain);
  if (event.has_refusal()) Write(event.refusal().text(), Style::kPlain);
  // What is spoken, for eyes; some servers write it too.
  has_text_ = has_text_ || event.has_content();
  if (event.has_media() && !has_text_) Write(event.media().transcript(), Style::kPlain);
  if (event.has_citation()) sources_.push_back(SourceLine(event.citation()));
  if (event.has_reasoning() && options_.out_is_terminal) Write(event.reasoning().text(), Style::kDim);
  if (event.has_part_end()) {
    tools_.erase(event.part());
    if (event.part() == part_ && style_ == Style::kDim && !at_line_start_) Write("\n", Style::kDim);
  }
  if (event.has_tool_call_delta()) Write(event.tool_call_delta().arguments_json(), Style::kDim);
}

void ChatScreen::TurnTo(const v1::ChatEvent& event) {
  if (event.has_reasoning() && !options_.out_is_terminal) return;
  if (event.has_tool_call_start()) tools_[event.part()] = event.tool_call_start().name();
  if (event.part() == part_) return;
  part_ = event.part();
  const auto tool = tools_.find(part_);
  const bool new_line = !at_line_start_ && (style_ == Style::kDim || tool != tools_.end());
  if (new_line) Write("\n", style_);
  if (tool != tools_.end()) Write(absl::StrCat("tool call ", tool->second, " "), Style::kDim);
}

// What was shown may have scrolled away: it stays, with a line below that says
// what it is worth. A pipe keeps it too, so the line goes to stderr as well.
void ChatScreen::Restart(const v1::Continuation& continuation) {
  part_ = -1;
  has_text_ = false;
  tools_.clear();
  sources_.clear();
  first_token_ = absl::InfiniteFuture();
  if (!wrote_) return;
  SetStyle(Style::kPlain);
  if (!at_line_start_) out_ << "\n";
  at_line_start_ = true;
  const std::string where = continuation.served_by().empty()
                                ? std::string()
                                : absl::StrCat(" at ", SafeForTerminal(continuation.served_by()));
  const std::string line = absl::StrCat("the answer above was cut and is void; it begins anew", where);
  if (options_.out_is_terminal) {
    Write(absl::StrCat("--- ", line, " ---\n"), Style::kDim);
    return;
  }
  out_ << std::flush;
  err_ << "sluice-chat: " << line << std::endl;
}

void ChatScreen::Write(std::string_view text, Style style) {
  if (text.empty()) return;
  // Reasoning that ends without a line break must not run into the answer.
  if (style == Style::kPlain && style_ == Style::kDim && !at_line_start_) out_ << "\n";
  SetStyle(style);
  if (options_.out_is_terminal) {
    out_ << SafeForTerminal(text);
  } else {
    out_ << text;
  }
  out_ << std::flush;
  at_line_start_ = text.back() == '\n';
  wrote_ = true;
}

void ChatScreen::SetStyle(Style style) {
  if (style != style_ && options_.out_is_terminal && options_.color) {
    out_ << (style == Style::kDim ? kDim : kReset);
  }
  style_ = style;
}

void ChatScreen::Finish(const CallResult& result, bool cancelled, absl::Time now) {
  SetStyle(Style::kPlain);
  if (!at_line_start_) out_ << "\n";
  out_ << std::flush;
  const bool dim = options_.err_is_terminal && options_.color;
  if (cancelled && !result.complete()) {
    if (options_.err_is_terminal) err_ << (dim ? kDim : "") << "cancelled" << (dim ? kReset : "") << std::endl;
    return;
  }
  if (!result.complete()) return ShowFailure(result.failure, wrote_);
  if (!options_.err_is_terminal && !options_.summary) return;
  if (!options_.json) ShowSources(dim);
  AnswerTiming timing{.total = now - started_};
  if (first_token_ < absl::InfiniteFuture()) timing.first_token = first_token_ - started_;
  err_ << (dim ? kDim : "") << TailLine(*result.end, timing) << (dim ? kReset : "") << std::endl;
}

void ChatScreen::ShowSources(bool dim) {
  for (size_t i = 0; i < sources_.size(); ++i) {
    err_ << (dim ? kDim : "") << "[" << i + 1 << "] " << sources_[i] << (dim ? kReset : "") << "\n";
  }
}

void ChatScreen::ShowFailure(const CallFailure& failure, bool shown_text) {
  err_ << "sluice-chat: " << (shown_text ? "the answer above is incomplete: " : "")
       << SafeForTerminal(failure.ToString()) << "\n";
  for (const v1::Attempt& attempt : failure.attempts) {
    err_ << "  " << SafeForTerminal(DescribeAttempt(attempt)) << "\n";
  }
  if (failure.omitted_attempts > 0) err_ << "  and " << failure.omitted_attempts << " more attempts\n";
  err_ << std::flush;
}

}  // namespace sluice
