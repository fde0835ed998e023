#include "tests/simulator/decision.h"

namespace sluice::simulator {
namespace {

using Clock = std::chrono::steady_clock;

Fault Refusal(int status, std::string_view counted_as) {
  Fault fault;
  fault.kind = Fault::Kind::kStatus;
  fault.number = status;
  fault.counted_as = counted_as;
  return fault;
}

std::optional<Fault> FaultOfKey(const State& state, std::string_view key) {
  const std::string& only = state.options.api_key;
  if (!only.empty() && key != only) return Refusal(401, "unauthorized");
  const auto it = state.options.key_faults.find(key);
  if (it == state.options.key_faults.end() || it->second.kind == Fault::Kind::kNone) return std::nullopt;
  return it->second;
}

// A provider counts each account by itself: so does a sliding second here.
bool OverRate(State& state, std::string_view key) {
  const size_t rate = state.options.rate_per_second;
  if (rate == 0) return false;
  std::deque<Clock::time_point>& served = state.served_lately[std::string(key)];
  const Clock::time_point now = Clock::now();
  while (!served.empty() && served.front() + std::chrono::seconds(1) <= now) served.pop_front();
  if (served.size() >= rate) return true;
  served.push_back(now);
  return false;
}

}  // namespace

std::optional<Fault> DecideFault(State& state, const Arrival& arrival, std::string& prompt, std::string& problem) {
  // The prompt's marks go even where another fault comes first: echoed, they
  // would tell of it.
  std::optional<Fault> wish = TakePromptFault(state.options.answer.name, prompt, problem);
  if (!arrival.fault_wish.empty()) wish = ParseFault(arrival.fault_wish, problem);
  if (!problem.empty()) return std::nullopt;
  if (std::optional<Fault> refused = FaultOfKey(state, arrival.key)) return refused;
  if (OverRate(state, arrival.key)) {
    Fault limited = Refusal(429, "rate-limited");
    limited.pushback = state.options.pushback;
    return limited;
  }
  if (state.options.context_tokens > 0 && arrival.prompt_tokens > state.options.context_tokens) {
    Fault too_long;
    too_long.kind = Fault::Kind::kContextLength;
    return too_long;
  }
  return wish ? wish : state.script.Next();
}

}  // namespace sluice::simulator
