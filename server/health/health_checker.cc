#include "server/health/health_checker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"

namespace sluice {
namespace {

// Data planes that got the same revision at the same moment do not ask at the
// same moment for ever.
constexpr double kJitter = 0.1;

HttpRequest RequestFor(const UpstreamConfig& upstream, const EndpointConfig& endpoint) {
  HttpRequest request;
  request.endpoint = endpoint.http;
  request.method = "GET";
  request.path = upstream.health_check->path;
  const CredentialConfig& credential = upstream.credentials.front();
  if (!credential.secret.empty()) request.headers = upstream.format->AuthHeaders(credential.secret);
  // The operator's headers win, as they do for calls.
  for (const auto& [name, value] : upstream.headers) {
    std::erase_if(request.headers, [&](const auto& header) { return absl::EqualsIgnoreCase(header.first, name); });
    request.headers.emplace_back(name, value);
  }
  return request;
}

}  // namespace

HealthChecker::HealthChecker(Loop& loop, HttpTransport& transport, Random& random, CallObserver& observer,
                             HealthOptions options)
    : loop_(loop), transport_(transport), random_(random), observer_(observer), options_(options) {}

HealthChecker::~HealthChecker() = default;

void HealthChecker::Follow(const RouteTable& table) {
  Checks kept;
  for (const auto& upstream : table.upstreams()) {
    if (!upstream->health_check) continue;
    for (const EndpointConfig& endpoint : upstream->endpoints) {
      if (!endpoint.active) continue;
      std::unique_ptr<Check>& check = kept[endpoint.state.get()];
      const auto known = checks_.find(endpoint.state.get());
      if (known != checks_.end() && known->second != nullptr) check = std::move(known->second);
      if (check == nullptr) check = std::make_unique<Check>(loop_);
      Adopt(upstream, endpoint, *check);
    }
  }
  checks_.swap(kept);
  for (auto& [state, check] : kept) {
    if (check != nullptr) Retire(*check);
  }
  StartReady();
}

void HealthChecker::Adopt(const std::shared_ptr<const UpstreamConfig>& upstream, const EndpointConfig& endpoint,
                          Check& check) {
  const bool fresh = check.upstream == nullptr;
  const Duration interval = fresh ? absl::ZeroDuration() : check.config().interval;
  check.upstream = upstream;
  check.endpoint = &endpoint;
  if (fresh) {
    // Soon, but not all in one moment.
    Schedule(check, loop_.Now() + check.config().interval * (kJitter * random_.Uniform()));
    std::lock_guard lock(mutex_);
    figures_[endpoint.state.get()] = {upstream->name, endpoint.name};
  } else if (check.config().interval != interval && check.timer.is_set()) {
    Schedule(check, loop_.Now() + check.config().interval * random_.Uniform());
  }
}

void HealthChecker::Retire(Check& check) {
  if (check.probe != nullptr) --running_;
  EndpointState* state = check.endpoint->state.get();
  if (!check.tally.healthy()) {
    state->SetHealthy(true, loop_.Now());
    observer_.HealthChanged(check.upstream->name, check.endpoint->name, true, "");
  }
  std::lock_guard lock(mutex_);
  figures_.erase(state);
}

void HealthChecker::Schedule(Check& check, TimePoint when) {
  check.timer.Set(when, [this, &check] { Due(check); });
}

void HealthChecker::Due(Check& check) {
  check.waiting = true;
  ready_.push_back(check.endpoint->state.get());
  StartReady();
}

void HealthChecker::StartReady() {
  while (running_ < std::max<size_t>(1, options_.max_concurrent) && !ready_.empty()) {
    // It may have been retired since.
    const auto next = checks_.find(ready_.front());
    ready_.pop_front();
    if (next != checks_.end() && next->second->waiting) Start(*next->second);
  }
}

void HealthChecker::Start(Check& check) {
  check.waiting = false;
  check.started = loop_.Now();
  ++running_;
  check.probe = std::make_unique<HealthProbe>(
      loop_, [this, &check](const HealthProbe::Result& result) { Done(check, result); });
  check.probe->Start(transport_, RequestFor(*check.upstream, *check.endpoint), check.config().timeout);
}

void HealthChecker::Done(Check& check, const HealthProbe::Result& result) {
  // Lives to the end of this call, which it makes itself.
  const auto probe = std::move(check.probe);
  --running_;
  if (result.verdict != HealthProbe::Verdict::kNoRoom) Judge(check, result);
  const Duration interval = check.config().interval * (1 - kJitter + 2 * kJitter * random_.Uniform());
  Schedule(check, std::max(loop_.Now(), check.started + interval));
  StartReady();
}

void HealthChecker::Judge(Check& check, const HealthProbe::Result& result) {
  const bool passed = result.verdict == HealthProbe::Verdict::kPassed;
  const bool changed = check.tally.Observe(passed, check.config().unhealthy_after, check.config().healthy_after);
  {
    std::lock_guard lock(mutex_);
    HealthFigures& figures = figures_[check.endpoint->state.get()];
    ++figures.checks;
    if (!passed) ++figures.failures;
    figures.healthy = check.tally.healthy();
  }
  observer_.HealthChecked(check.upstream->name, check.endpoint->name, passed);
  if (!changed) return;
  check.endpoint->state->SetHealthy(passed, loop_.Now());
  observer_.HealthChanged(check.upstream->name, check.endpoint->name, passed, result.reason);
}

std::vector<HealthFigures> HealthChecker::Figures() const {
  std::vector<HealthFigures> all;
  std::lock_guard lock(mutex_);
  all.reserve(figures_.size());
  for (const auto& [state, figures] : figures_) all.push_back(figures);
  return all;
}

}  // namespace sluice
