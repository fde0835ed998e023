// An engine for tests of the gRPC face: calls that do what the model's name
// says, so that no upstream is needed. Shared by all loops; the counters are
// what the tests look at.
//
//   words:N      N events of 10 bytes, one a turn, then complete
//   slowly:N     the same, one every 2 ms
//   paced:N      one every 20 ms; truncated half a second before the deadline
//   burst:N      all N in one turn
//   flood        events of 1 KiB without end, as long as the sink takes them
//   hang         one event, then silence until it is cancelled
//   fail         two attempts that failed, no content
//   fail-first   the same for the face's first call, of others words:3
//   cut          three events, then truncated
//   again        content, Discard, then other content (only for Chat)
//   deadline     one event, then ended half a second before the deadline, by it
//   restart:N    N events, a restart, then N others
//   fallback:N   N events, the end says that it was a fallback
//   embed:D      vectors of D values for every input, the last input first
//   embed-few    one vector less than inputs
#ifndef SLUICE_TESTS_SERVICE_FAKE_ENGINE_H_
#define SLUICE_TESTS_SERVICE_FAKE_ENGINE_H_

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "server/engine/call.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

struct FakeEngineFigures {
  std::atomic<int> made{0};
  std::atomic<int> alive{0};
  std::atomic<int> cancelled{0};
  std::atomic<int> drained{0};
  std::atomic<int> stopped{0};
  // Of the last call.
  std::atomic<uint64_t> affinity{0};
  std::atomic<bool> tenant_vip{false};
  std::atomic<size_t> most_pending{0};
  std::atomic<uint64_t> flooded_bytes{0};
};

class FakeCall final : public Call {
 public:
  FakeCall(Loop& loop, CallParams params, StreamSink& sink, FakeEngineFigures& figures)
      : loop_(loop), params_(std::move(params)), sink_(sink), figures_(figures), timer_(loop) {
    ++figures_.made;
    ++figures_.alive;
    const std::string model(params_.request->model());
    figures_.affinity = params_.affinity.value_or(0);
    figures_.tenant_vip = params_.info.tenant == "vip";
    size_t colon = model.find(':');
    kind_ = model.substr(0, colon);
    if (colon != std::string::npos) (void)absl::SimpleAtoi(model.substr(colon + 1), &count_);
  }
  ~FakeCall() override { --figures_.alive; }

  void Start() override {
    started_ = loop_.Now();
    if (kind_ == "fail" || (kind_ == "fail-first" && figures_.made == 1)) return Fail();
    if (kind_ == "fail-first") count_ = 3;
    timer_.Set(loop_.Now(), [this] { Step(); });
  }

  void Cancel() override {
    if (over_) return;
    ++figures_.cancelled;
    CallRecord record = Record(CallOutcome::kFailed);
    record.error = {FailureKind::kCancelled, 1, "CANCELLED", "cancelled by the caller", "", {}};
    End(record);
  }

  void Stop() override {
    if (over_) return;
    ++figures_.stopped;
    Cut();
  }

  void SinkDrained() override {
    ++figures_.drained;
    if (over_ || !paused_) return;
    paused_ = false;
    timer_.Set(loop_.Now(), [this] { Step(); });
  }

 private:
  // So that the end is there before gRPC's own, on a slow machine too.
  static constexpr Duration kBeforeDeadline = absl::Milliseconds(500);

  void Step() {
    if (sent_ == 0) sink_.Started("fake/one", "fake-model");
    if (kind_ == "burst") {
      while (sent_ < count_) Word();
    } else if (kind_.rfind("embed", 0) == 0) {
      return Embed();
    } else if (kind_ == "restart") {
      return Restart();
    } else if (kind_ == "flood") {
      return Flood();
    } else if (kind_ == "hang" || kind_ == "deadline" || kind_ == "cut" || kind_ == "again") {
      return Odd();
    } else if (sent_ < count_) {
      Word();
    }
    if (sent_ >= count_ && kind_ == "fallback") return EndFallback();
    if (sent_ >= count_) return End(Record(CallOutcome::kComplete));
    if (kind_ == "paced") return Pace();
    Duration wait = kind_ == "slowly" ? absl::Milliseconds(2) : absl::ZeroDuration();
    timer_.Set(loop_.Now() + wait, [this] { Step(); });
  }

  void Pace() {
    // By the plan, not by the last step: late ones do not add up.
    const TimePoint next = started_ + sent_ * absl::Milliseconds(20);
    const TimePoint last = params_.deadline - kBeforeDeadline;
    if (next < last) {
      timer_.Set(next, [this] { Step(); });
    } else {
      timer_.Set(last, [this] { Cut(); });
    }
  }

  void Embed() {
    const int inputs = EmbedInputs();
    for (int i = inputs - 1; i >= (kind_ == "embed-few" ? 1 : 0); --i) {
      std::vector<float> values(static_cast<size_t>(std::max(count_, 1)), static_cast<float>(i) + 0.5f);
      StreamEvent event;
      event.kind = StreamEvent::Kind::kEmbedding;
      event.choice = i;
      event.embedding = values;
      sink_.Write(event);
    }
    UsageCounts usage;
    usage.input_tokens = 7;
    StreamEvent event;
    event.kind = StreamEvent::Kind::kUsage;
    event.usage = &usage;
    sink_.Write(event);
    End(Record(CallOutcome::kComplete));
  }

  // What the request says in the OpenAI format.
  int EmbedInputs() const {
    auto encoded = params_.request->Encode(OpenAiFormat(), "m", Dialect());
    if (!encoded.ok()) return 0;
    const std::string_view body = encoded->body;
    const size_t begin = body.find("[\"");
    const std::string_view list = body.substr(begin, body.find("\"]") - begin);
    int inputs = 1;
    for (size_t at = 0; (at = list.find("\",\"", at)) != std::string_view::npos; at += 3) ++inputs;
    return inputs;
  }

  void Restart() {
    if (sent_ < count_) {
      Word();
    } else if (sent_ == count_) {
      sink_.Restart();
      sink_.Started("fake/two", "fake-model");
      Word();
    } else {
      Word();
    }
    if (sent_ < 2 * count_) {
      timer_.Set(loop_.Now() + absl::Milliseconds(2), [this] { Step(); });
      return;
    }
    CallRecord record = Record(CallOutcome::kComplete);
    record.restarts = 1;
    record.served_by = "fake/two";
    End(record);
  }

  void EndFallback() {
    CallRecord record = Record(CallOutcome::kFallback);
    record.fallback = "spare";
    record.error = {FailureKind::kOverload, 14, "ATTEMPTS_EXHAUSTED", "all failed", "", absl::Seconds(1)};
    End(record);
  }

  void Odd() {
    if (kind_ == "deadline" && sent_ == 1) return EndAtDeadline();
    Word();
    if (kind_ == "cut") {
      Word();
      Word();
      return Cut();
    }
    if (kind_ == "again") {
      sink_.Discard();
      sink_.Started("fake/two", "fake-model");
      sent_ = 7;
      Word();
      return End(Record(CallOutcome::kComplete));
    }
    if (kind_ == "deadline") timer_.Set(params_.deadline - kBeforeDeadline, [this] { Step(); });
  }

  void Flood() {
    std::string text(1024, 'f');
    StreamEvent event;
    event.text = text;
    for (int i = 0; i < 16; ++i) {
      sink_.Write(event);
      ++sent_;
      figures_.flooded_bytes += text.size();
    }
    size_t pending = sink_.pending_bytes();
    size_t most = figures_.most_pending;
    while (pending > most && !figures_.most_pending.compare_exchange_weak(most, pending)) {
    }
    if (pending > params_.route->stream.max_pending_bytes) {
      paused_ = true;
    } else {
      timer_.Set(loop_.Now(), [this] { Step(); });
    }
  }

  // "word 00000\n" and so on: 10 bytes that tell their number.
  void Word() {
    std::string number = std::to_string(sent_++);
    std::string text = "w" + std::string(8 - number.size(), '0') + number + " ";
    StreamEvent event;
    event.text = text;
    sink_.Write(event);
  }

  CallRecord Record(CallOutcome outcome) {
    CallRecord record;
    record.outcome = outcome;
    record.served_by = "fake/one";
    record.attempts.resize(1);
    record.attempts[0].upstream = "fake";
    record.attempts[0].endpoint = "one";
    record.attempts[0].outcome = AttemptOutcome::kOk;
    record.total = loop_.Now() - started_;
    return record;
  }

  void Cut() {
    CallRecord record = Record(CallOutcome::kTruncated);
    record.error = {FailureKind::kTruncated, 10, "STREAM_TRUNCATED", "cut after content", "", {}};
    End(record);
  }

  void EndAtDeadline() {
    CallRecord record = Record(CallOutcome::kTruncated);
    record.error = {FailureKind::kTimeout, 4, "DEADLINE_EXCEEDED", "the deadline passed", "", {}};
    End(record);
  }

  void Fail() {
    CallRecord record = Record(CallOutcome::kFailed);
    record.attempts.resize(2, record.attempts[0]);
    record.error = {FailureKind::kConnect, 14, "ATTEMPTS_EXHAUSTED", "2 attempts failed", "", absl::Milliseconds(1500)};
    End(record);
  }

  void End(const CallRecord& record) {
    over_ = true;
    timer_.Cancel();
    sink_.Finish(record);
  }

  Loop& loop_;
  const CallParams params_;
  StreamSink& sink_;
  FakeEngineFigures& figures_;
  Timer timer_;
  TimePoint started_;
  std::string kind_;
  int count_ = 0;
  int sent_ = 0;
  bool paused_ = false;
  bool over_ = false;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_SERVICE_FAKE_ENGINE_H_
