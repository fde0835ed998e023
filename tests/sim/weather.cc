#include "tests/sim/weather.h"

#include <iterator>
#include <utility>

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;

}  // namespace

Weather::Weather(uint64_t seed, const std::vector<std::string>& places, TimePoint begin, TimePoint until)
    : dice_(seed) {
  for (const std::string& place : places) {
    auto& moods = moods_[place];
    for (TimePoint at = begin; at < until; at += dice_.Time(Milliseconds(500), Seconds(12))) {
      moods[at] = dice_.OneOf({Mood::kWell, Mood::kWell, Mood::kSlow, Mood::kDead, Mood::kLimited, Mood::kCutting,
                               Mood::kFlaky, Mood::kCutting, Mood::kSilent, Mood::kWrong});
    }
    moods[until] = Mood::kWell;
  }
}

Weather::Mood Weather::MoodAt(const std::string& place, TimePoint now) const {
  const auto& moods = moods_.at(place);
  const auto after = moods.upper_bound(now);
  return after == moods.begin() ? Mood::kWell : std::prev(after)->second;
}

Script Weather::Answer(uint64_t number, int tokens, Duration first, Duration each) {
  Script script = Script().Connect(dice_.Time(absl::ZeroDuration(), Milliseconds(30)));
  script.Head(200, {{"content-type", "text/lines"}}, first);
  std::string bytes = "role\nmodel m\n";
  for (int i = 0; i < tokens; ++i) {
    bytes += "text " + Token(number, i) + "\n";
    if (dice_.Chance(0.5)) continue;  // several in one piece
    const size_t split = dice_.Chance(0.3) ? bytes.size() / 2 : bytes.size();
    script.Body(bytes.substr(0, split), dice_.Time(absl::ZeroDuration(), each));
    bytes = bytes.substr(split);
  }
  script.Body(bytes + "usage 1 " + std::to_string(tokens) + "\nend\ndone\n");
  if (dice_.Chance(0.9)) script.End(dice_.Time(absl::ZeroDuration(), Milliseconds(20)));  // else it lingers
  return script;
}

Script Weather::Refusal() {
  const int status = dice_.OneOf({500, 502, 503, 503, 529, 408});
  std::vector<std::pair<std::string, std::string>> headers;
  if (dice_.Chance(0.2)) headers.emplace_back("retry-after-ms", std::to_string(dice_.Number(0, 3000)));
  Script script = Script().Connect().Head(status, std::move(headers));
  if (dice_.Chance(0.9)) script.End();
  return script;
}

void Weather::Cut(Script& script) {
  script.steps.resize(static_cast<size_t>(dice_.Number(1, static_cast<int>(script.steps.size()))));
  switch (dice_.Number(0, 3)) {
    case 0:
      if (script.steps.size() >= 2) script.Body("\nnonsense\n");
      return;
    case 1:
      if (script.steps.size() >= 2) script.Body("\nfail overload busy\n");
      return;
    default:
      script.Fail(HttpFailure::kReset, "reset by peer");
  }
}

Script Weather::ScriptFor(const std::string& place, uint64_t number, int tokens, TimePoint now) {
  switch (MoodAt(place, now)) {
    case Mood::kDead:
      return Script().Fail(HttpFailure::kConnect, "connection refused", dice_.Time(absl::ZeroDuration(), Milliseconds(50)));
    case Mood::kLimited: {
      std::vector<std::pair<std::string, std::string>> headers;
      if (dice_.Chance(0.8)) headers.emplace_back("retry-after-ms", std::to_string(dice_.Number(10, 3000)));
      return Script().Connect().Head(429, std::move(headers)).Body(dice_.Chance(0.08) ? "quota none" : "").End();
    }
    case Mood::kFlaky:
      if (dice_.Chance(0.6)) return Refusal();
      break;
    case Mood::kCutting:
      if (dice_.Chance(0.7)) {
        Script script = Answer(number, tokens, Milliseconds(20), Milliseconds(100));
        Cut(script);
        return script;
      }
      break;
    case Mood::kSilent:
      if (dice_.Chance(0.5)) return Script::Silent();
      return Script().Connect();
    case Mood::kSlow:
      return Answer(number, tokens, dice_.Time(Milliseconds(200), Seconds(4)), Seconds(1));
    case Mood::kWrong:
      if (dice_.Chance(0.2)) return Script::Status(dice_.OneOf({400, 401, 404, 302}));
      if (dice_.Chance(0.2)) return Script().Fail(HttpFailure::kPoolFull, "busy");
      break;
    case Mood::kWell:
      break;
  }
  return Answer(number, tokens, dice_.Time(Milliseconds(1), Milliseconds(150)), Milliseconds(50));
}

}  // namespace sluice
