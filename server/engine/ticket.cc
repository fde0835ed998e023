#include "server/engine/ticket.h"

#include <algorithm>

namespace sluice {
namespace {

Ticket::Refusal RefusalOf(UpstreamState::Refusal refusal) {
  switch (refusal) {
    case UpstreamState::Refusal::kNone:
      return Ticket::Refusal::kNone;
    case UpstreamState::Refusal::kConcurrency:
      return Ticket::Refusal::kConcurrency;
    case UpstreamState::Refusal::kBreaker:
    case UpstreamState::Refusal::kThrottle:
      break;
  }
  return Ticket::Refusal::kUpstream;
}

}  // namespace

Ticket& Ticket::operator=(Ticket&& other) noexcept {
  std::swap(upstream_, other.upstream_);
  std::swap(endpoint_, other.endpoint_);
  std::swap(endpoint_permit_, other.endpoint_permit_);
  std::swap(upstream_permit_, other.upstream_permit_);
  std::swap(tokens_, other.tokens_);
  std::swap(connected_, other.connected_);
  std::swap(charged_, other.charged_);
  std::swap(taken_at_, other.taken_at_);
  std::swap(answered_, other.answered_);
  std::swap(taken_, other.taken_);
  return *this;
}

Ticket::~Ticket() {
  Random unused(0);  // a permit that goes back draws nothing
  if (valid()) Withdraw(taken_at_, unused);
}

bool Ticket::TakeRateLimits(const RouteConfig& route, TimePoint now, std::string* limit) {
  for (const RateLimitUse& use : route.rate_limits) {
    if (use.scope != RateLimitUse::Scope::kUpstream) continue;
    if (use.state->TryTake(upstream_->name, tokens_, now)) {
      *limit = use.name;
      GiveRateLimitsBack(now);
      return false;
    }
    charged_.push_back(use.state.get());
  }
  return true;
}

void Ticket::GiveRateLimitsBack(TimePoint now) {
  for (RateLimitState* state : charged_) state->GiveBack(upstream_->name, tokens_, now);
  charged_.clear();
}

Ticket::Refusal Ticket::Take(const RouteConfig& route, const Plan& plan, uint64_t tokens, TimePoint now,
                             Random& random, Ticket* ticket, std::string* limit) {
  Ticket taken;
  taken.upstream_ = &plan.upstream();
  taken.endpoint_ = plan.endpoint;
  taken.tokens_ = tokens;
  taken.taken_at_ = now;
  UpstreamState& upstream = *plan.upstream().state;
  Refusal refusal = Refusal::kNone;
  if (!taken.TakeRateLimits(route, now, limit)) {
    refusal = Refusal::kRateLimit;
  } else if (const auto start = upstream.TryStart(tokens, now, random);
             start.refusal != UpstreamState::Refusal::kNone) {
    refusal = RefusalOf(start.refusal);
  } else if (const auto permit = plan.endpoint->state->TryStart(now, random, &taken.taken_.endpoint_breaker)) {
    taken.taken_.upstream_breaker = start.change;
    taken.upstream_permit_ = start.permit;
    taken.endpoint_permit_ = *permit;
    *ticket = std::move(taken);
    return Refusal::kNone;
  } else {
    upstream.Withdrawn(start.permit, tokens, /*connected=*/false, now, random);
    refusal = Refusal::kEndpoint;
  }
  taken.GiveRateLimitsBack(now);
  taken.upstream_ = nullptr;
  return refusal;
}

void Ticket::Connected() {
  if (connected_) return;
  connected_ = true;
  upstream_->state->Connected();
}

void Ticket::Withdraw(TimePoint now, Random& random) {
  endpoint_->state->Withdrawn(endpoint_permit_, now, random);
  upstream_->state->Withdrawn(upstream_permit_, tokens_, connected_, now, random);
  GiveRateLimitsBack(now);
  upstream_ = nullptr;
}

Ticket::Learned Ticket::Answers(Duration time_to_first_token, TimePoint now, Random& random) {
  Learned out;
  answered_ = now;
  const Duration decay = upstream_->balance.decay;
  out.endpoint_breaker = endpoint_->state->Answers(endpoint_permit_, time_to_first_token, decay, now, random);
  out.upstream_breaker = upstream_->state->Answers(upstream_permit_, time_to_first_token, now, random);
  return out;
}

bool Ticket::TryVerify(TimePoint now) {
  const bool endpoint = endpoint_->state->TryVerify(endpoint_permit_, now);
  const bool upstream = upstream_->state->TryVerify(upstream_permit_, now);
  return endpoint || upstream;
}

Ticket::Learned Ticket::Ended(AttemptResult result, std::optional<uint64_t> used, TimePoint now, Random& random) {
  result.answered = answered_;
  const UpstreamConfig& upstream = *upstream_;
  const OutlierConfig* outlier = upstream.outlier ? &*upstream.outlier : nullptr;
  const auto learned = endpoint_->state->Ended(endpoint_permit_, result, outlier, now, random);
  Learned out;
  out.endpoint_breaker = learned.breaker;
  out.upstream_breaker = upstream.state->Ended(upstream_permit_, tokens_, connected_, result, now, random);
  if (learned.wants_ejection) out.ejected = Eject(now);
  for (RateLimitState* state : charged_) state->Settle(upstream.name, tokens_, used.value_or(tokens_), now);
  charged_.clear();
  upstream_ = nullptr;
  return out;
}

// Walks the pool, which only an ejection does.
std::optional<Duration> Ticket::Eject(TimePoint now) const {
  size_t pool = 0, out = 0;
  for (const EndpointConfig& endpoint : upstream_->endpoints) {
    if (!endpoint.active) continue;
    ++pool;
    if (&endpoint != endpoint_ && endpoint.state->out(now)) ++out;
  }
  if (!MayEject(*upstream_->outlier, pool, out)) return std::nullopt;
  return endpoint_->state->Eject(*upstream_->outlier, now);
}

}  // namespace sluice
