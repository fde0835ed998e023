#include "server/engine/running_attempts.h"

#include <algorithm>
#include <utility>

#include "server/engine/lingerer.h"
#include "server/engine/verifying_attempts.h"

namespace sluice {
namespace {

// Letters and digits, one of 2^64: no two answers make up the same ids, whichever
// process they went through.
std::string NewAnswerId(Random& random) {
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string id;
  for (uint64_t rest = random.Next(); id.size() < 13; rest /= kDigits.size()) id += kDigits[rest % kDigits.size()];
  return id;
}

AttemptLimits LimitsOf(const RouteConfig& route, const UpstreamConfig& upstream, bool streaming, Random& random) {
  AttemptLimits limits;
  limits.connect = route.timeouts.connect;
  limits.first_content = route.timeouts.first_content;
  limits.idle = route.timeouts.idle;
  limits.total = streaming ? absl::InfiniteDuration() : route.timeouts.unary_total;
  limits.end_grace = route.timeouts.end_grace;
  limits.answer.max_event_bytes = route.stream.max_event_bytes;
  limits.answer.ends_without_finish = upstream.dialect.ends_without_finish;
  limits.answer.answer_id = NewAnswerId(random);
  return limits;
}

}  // namespace

RunningAttempts::RunningAttempts(const EngineContext& context, const CallParams& params, Mailbox<CallMessage>& inbox,
                                 CallRecord& record)
    : context_(context), params_(params), inbox_(inbox), record_(record) {}

RunningAttempt& RunningAttempts::Start(AttemptStart start) {
  const UpstreamConfig& upstream = start.plan.upstream();
  AttemptRecord record;
  record.number = static_cast<int>(record_.attempts.size()) + 1;
  record.upstream = upstream.name;
  record.endpoint = start.plan.endpoint->name;
  record.provider = std::string(upstream.format->name());
  record.credential = upstream.credentials[start.plan.credential].name;
  // By the policy's name for it; a "*" route passes on the caller's own text,
  // which metrics must never carry.
  record.model = start.plan.target->model.empty() ? params_.info.model_label : start.plan.target->model;
  record.backoff = start.backoff;
  record.hedge = start.hedge;
  record.span_id = std::move(start.span_id);
  record.started = Now();

  RunningAttempt& running = *running_.emplace_back(std::make_unique<RunningAttempt>());
  running.route = &start.route;
  running.plan = start.plan;
  running.index = record_.attempts.size();
  running.learners = Learners(context_, start.route, start.plan, std::move(start.ticket));
  running.charge = std::move(start.charge);
  running.form = start.form;
  running.prompt_tokens = params_.request->PromptTokens();
  record_.attempts.push_back(std::move(record));
  context_.observer.AttemptStarted(params_.info, RecordOf(running));

  running.attempt = std::make_unique<Attempt>(context_.loop, inbox_, *upstream.format, *params_.request,
                                              LimitsOf(start.route, upstream, params_.info.streaming, context_.random));
  if (running.attempt->Start(context_.transport, std::move(start.request))) Connected(running);
  return running;
}

RunningAttempt& RunningAttempts::Of(const Attempt* attempt) {
  return **std::find_if(running_.begin(), running_.end(),
                        [&](const auto& running) { return running->attempt.get() == attempt; });
}

void RunningAttempts::Connected(RunningAttempt& running) {
  running.connected = true;
  running.learners.Connected();
}

void RunningAttempts::FirstContent(RunningAttempt& running) {
  running.learners.Answered(context_, Now() - RecordOf(running).started);
}

void RunningAttempts::End(RunningAttempt& running, const AttemptEnd& end) {
  const auto place = std::find_if(running_.begin(), running_.end(),
                                  [&](const auto& each) { return each.get() == &running; });
  std::unique_ptr<RunningAttempt> over = std::move(*place);
  running_.erase(place);
  AttemptRecord& record = RecordOf(*over);
  const uint64_t used = RecordEnd(*over, end, Now(), record);
  used_tokens_ += used;
  const bool goes_on = end.left && GoesOn(*over);
  if (!goes_on) over->learners.Ended(context_, record, over->attempt->failure().kind, used);
  if (goes_on) context_.verifying->Adopt(context_, params_, std::move(over), record);
  context_.observer.AttemptEnded(params_.info, record);
  if (goes_on) return;
  if (end.outcome == AttemptOutcome::kOk && over->attempt->exchange_open()) {
    context_.lingerer->Adopt(std::move(over->attempt));
  }
}

// It is load that no caller asks for any longer: a retry's share, where it does not
// hold one already.
bool RunningAttempts::GoesOn(RunningAttempt& running) {
  if (running.learners.answered() || !running.learners.TryVerify(Now())) return false;
  if (running.charge.held()) return true;
  RouteState& route = *running.route->state;
  const std::string& upstream = running.plan.upstream().name;
  if (route.TryChargeRetry(upstream) != RouteState::Charge::kAllowed) return false;
  running.charge = RetryCharge(route, upstream);
  return true;
}

void RunningAttempts::EndAll(const AttemptEnd& end) {
  while (!running_.empty()) End(*running_.back(), end);
}

void RunningAttempts::EndOthers(const RunningAttempt& kept, const AttemptEnd& end) {
  for (size_t i = running_.size(); i-- > 0;) {
    if (running_[i].get() != &kept) End(*running_[i], end);
  }
}

}  // namespace sluice
