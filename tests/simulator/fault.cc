#include "tests/simulator/fault.h"

#include <charconv>
#include <utility>

namespace sluice::simulator {
namespace {

enum class Number { kNone, kOptional, kRequired };

struct Row {
  std::string_view name;
  Fault::Kind kind;
  Number number;
  int otherwise;
};

constexpr Row kRows[] = {
    {"ok", Fault::Kind::kNone, Number::kNone, 0},
    {"refuse", Fault::Kind::kRefuse, Number::kOptional, 0},
    {"status", Fault::Kind::kStatus, Number::kRequired, 0},
    {"quota", Fault::Kind::kQuota, Number::kNone, 0},
    {"context-length", Fault::Kind::kContextLength, Number::kNone, 0},
    {"content-policy", Fault::Kind::kContentPolicy, Number::kNone, 0},
    {"silence", Fault::Kind::kSilence, Number::kNone, 0},
    {"no-headers", Fault::Kind::kNoHeaders, Number::kNone, 0},
    {"cut", Fault::Kind::kCut, Number::kOptional, 0},
    {"reset", Fault::Kind::kReset, Number::kOptional, 0},
    {"stall", Fault::Kind::kStall, Number::kOptional, 0},
    {"trickle", Fault::Kind::kTrickle, Number::kOptional, 1},
    {"malformed", Fault::Kind::kMalformed, Number::kOptional, 0},
    {"slow", Fault::Kind::kSlow, Number::kRequired, 0},
    {"delay", Fault::Kind::kDelay, Number::kRequired, 0},
    {"late", Fault::Kind::kLate, Number::kRequired, 0},
    {"garbage", Fault::Kind::kGarbage, Number::kNone, 0},
    {"error-event", Fault::Kind::kErrorEvent, Number::kOptional, 0},
    {"wrong-type", Fault::Kind::kWrongType, Number::kNone, 0},
    {"no-done", Fault::Kind::kNoDone, Number::kNone, 0},
    {"drop-usage", Fault::Kind::kDropUsage, Number::kNone, 0},
};

const Row* FindRow(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

// Cuts `rest` at the first ':' and gives what stood before it.
std::string_view TakeField(std::string_view& rest) {
  const size_t colon = rest.find(':');
  const std::string_view field = rest.substr(0, colon);
  rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
  return field;
}

bool ParseNumber(std::string_view text, int& number) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  return result.ec == std::errc() && result.ptr == text.data() + text.size() && number >= 0;
}

bool ParseStatusFields(std::string_view rest, Fault& fault) {
  constexpr std::string_view kBody = "body=";
  while (!rest.empty()) {
    // A body may hold colons: it is all the rest.
    if (rest.starts_with(kBody)) {
      fault.body = rest.substr(kBody.size());
      return true;
    }
    if (!fault.pushback.Read(TakeField(rest))) return false;
  }
  return true;
}

}  // namespace

std::string_view Fault::name() const {
  if (!counted_as.empty()) return counted_as;
  for (const Row& row : kRows) {
    if (row.kind == kind) return row.name;
  }
  return "ok";
}

std::optional<Fault> ParseFault(std::string_view spec, std::string& problem) {
  std::string_view rest = spec;
  const Row* row = FindRow(TakeField(rest));
  problem = "fault \"" + std::string(spec) + "\": ";
  if (row == nullptr) {
    problem += "unknown; one of";
    for (const Row& known : kRows) problem.append(" ").append(known.name);
    return std::nullopt;
  }
  Fault fault;
  fault.kind = row->kind;
  fault.number = row->otherwise;
  const bool has_number = !rest.empty();
  if (row->number == Number::kNone ? has_number : row->number == Number::kRequired && !has_number) {
    problem += has_number ? "takes no number" : "a number is missing, as in \"status:503\"";
    return std::nullopt;
  }
  if (has_number && !ParseNumber(TakeField(rest), fault.number)) {
    problem += "is no number";
    return std::nullopt;
  }
  const bool status = fault.kind == Fault::Kind::kStatus;
  if (status && (fault.number < 200 || fault.number > 599)) {
    problem += "a status is 200 to 599";
    return std::nullopt;
  }
  if (!rest.empty() && (!status || !ParseStatusFields(rest, fault))) {
    problem += "\"" + std::string(rest) + "\" means nothing here";
    return std::nullopt;
  }
  problem.clear();
  return fault;
}

std::optional<Fault> TakePromptFault(std::string_view name, std::string& prompt, std::string& problem) {
  std::optional<Fault> found;
  while (prompt.starts_with("[[")) {
    const size_t end = prompt.find("]]");
    const size_t blank = prompt.find(' ');
    if (end == std::string::npos || blank > end) break;
    const std::string scope = prompt.substr(2, blank - 2);
    const std::string spec = prompt.substr(blank + 1, end - blank - 1);
    if (scope == "fault" || scope == name) {
      found = ParseFault(spec, problem);
      if (!found) return std::nullopt;
    }
    prompt.erase(0, end + 2);
    prompt.erase(0, prompt.find_first_not_of(' '));
  }
  return found;
}

void FaultScript::Set(std::vector<Fault> faults, std::optional<double> percent, uint64_t seed, bool once) {
  faults_ = std::move(faults);
  percent_ = percent;
  next_ = 0;
  once_ = once;
  random_.seed(seed);
}

Fault FaultScript::Next() {
  if (faults_.empty()) return Fault();
  if (once_ && next_ >= faults_.size()) return Fault();
  if (!percent_) return faults_[next_++ % faults_.size()];
  std::uniform_real_distribution<double> chance(0, 100);
  if (chance(random_) >= *percent_) return Fault();
  std::uniform_int_distribution<size_t> which(0, faults_.size() - 1);
  return faults_[which(random_)];
}

}  // namespace sluice::simulator
