#include "server/engine/verifying_attempts.h"

#include <utility>

#include "server/runtime/mailbox.h"
#include "server/runtime/task.h"

namespace sluice {

class Verification {
 public:
  Verification(VerifyingAttempts& owner, const EngineContext& context, const CallParams& params,
               std::unique_ptr<RunningAttempt> running, AttemptRecord record)
      : owner_(owner),
        context_(context),
        info_(params.info),
        route_(params.route),
        request_(params.request),
        record_(std::move(record)),
        running_(std::move(running)),
        release_(context.loop),
        task_(Run()) {}
  ~Verification() {
    if (running_) End({AttemptOutcome::kCancelled, FailureKind::kCancelled, "this data plane is shutting down"});
  }

  void Start() {
    context_.observer.VerifyingStarted(info_, record_);
    task_.Start();
    running_->attempt->ReportTo(inbox_);
  }

 private:
  Task<> Run() {
    while (running_) {
      const CallMessage message = co_await inbox_.Next();
      React(message);
    }
    // Not from within: this coroutine still runs.
    release_.Set(context_.loop.Now(), [this] { owner_.Release(this); });
  }

  void React(const CallMessage& message) {
    switch (message.kind) {
      case CallMessage::Kind::kConnected:
        running_->connected = true;
        running_->learners.Connected();
        return;
      case CallMessage::Kind::kEvent:
        if (message.event->is_content()) Answered();
        return;
      case CallMessage::Kind::kAnswered:
        return End({.outcome = AttemptOutcome::kOk});
      case CallMessage::Kind::kFailed:
        return Failed();
      default:
        return;
    }
  }

  // Enough is known: it fails as soon as the bytes at hand are decoded.
  void Answered() {
    if (running_->learners.answered()) return;
    running_->learners.Answered(context_, context_.loop.Now() - record_.started);
    AttemptFailure enough;
    enough.kind = FailureKind::kCancelled;
    running_->attempt->Abort(std::move(enough));
  }

  void Failed() {
    if (running_->learners.answered()) return End({.outcome = AttemptOutcome::kOk});
    const AttemptFailure failure = running_->attempt->failure();
    const RouteConfig& route = *running_->route;
    const Plan plan = running_->plan;
    End({AttemptOutcome::kFailed, failure.kind, failure.message});
    RestAfter(route, plan, failure, context_.loop.Now(), context_.random, record_);
  }

  // Closes the connection, too: nobody reads on.
  void End(const AttemptEnd& end) {
    const std::unique_ptr<RunningAttempt> over = std::move(running_);
    const FailureKind told = over->attempt->failure().kind;
    const uint64_t used = RecordEnd(*over, end, context_.loop.Now(), record_);
    over->learners.Ended(context_, record_, told, used);
    context_.observer.VerifyingEnded(info_, record_);
  }

  VerifyingAttempts& owner_;
  const EngineContext& context_;
  const CallInfo info_;
  const std::shared_ptr<const RouteConfig> route_;
  const std::shared_ptr<const CallRequest> request_;
  AttemptRecord record_;
  Mailbox<CallMessage> inbox_;
  std::unique_ptr<RunningAttempt> running_;
  Timer release_;
  Task<> task_;
};

VerifyingAttempts::VerifyingAttempts() = default;
VerifyingAttempts::~VerifyingAttempts() = default;

void VerifyingAttempts::Release(Verification* verification) { running_.erase(verification); }

void VerifyingAttempts::Adopt(const EngineContext& context, const CallParams& params,
                              std::unique_ptr<RunningAttempt> running, AttemptRecord record) {
  auto verification =
      std::make_unique<Verification>(*this, context, params, std::move(running), std::move(record));
  Verification& adopted = *verification;
  running_.emplace(&adopted, std::move(verification));
  adopted.Start();
}

std::shared_ptr<VerifyingAttempts> NewVerifyingAttempts() { return std::make_shared<VerifyingAttempts>(); }

}  // namespace sluice
