// Calls that several callers share: who joins, who replays, who is refused, and
// what is kept for how long. On a simulated loop; the engine is played by hand.
#include "server/service/idempotency_store.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/resilience/random.h"
#include "server/service/shared_reader.h"
#include "tests/support/simulated_loop.h"

namespace sluice {
namespace {

using Verdict = IdempotencyStore::Verdict;

// What a caller was told, as text.
class Caller : public StreamSink {
 public:
  explicit Caller(bool streaming = true) : streaming_(streaming) {}
  void Started(std::string_view served_by, std::string_view model) override { Log("started", served_by, "/", model); }
  void Write(const StreamEvent& event) override {
    Log("event", static_cast<int>(event.kind), ",", event.choice, ",", event.part, ",", event.text, event.id, event.name);
    if (event.usage) Log("usage", event.usage->output_tokens.value_or(-1));
    if (event.logprobs) Log("logprobs", event.logprobs->size(), event.logprobs->at(0).token);
    for (const float value : event.embedding) Log("value", value);
    pending += event.text.size();
  }
  size_t pending_bytes() const override { return streaming_ ? pending : 0; }
  bool shows_content() const override { return streaming_; }
  void Discard() override { told.clear(); }
  void Restart() override { Log("restart"); }
  void Finish(const CallRecord& record) override {
    EXPECT_FALSE(end) << "told the end twice";
    end = record;
    Log("end", static_cast<int>(record.outcome), record.error.reason);
  }

  std::vector<std::string> told;
  std::optional<CallRecord> end;
  size_t pending = 0;

 private:
  template <typename... Parts>
  void Log(const Parts&... parts) {
    told.push_back(absl::StrCat(Text(parts)...));
  }
  template <typename T>
  static std::string Text(const T& part) {
    if constexpr (std::is_convertible_v<T, std::string_view>) {
      return std::string(part);
    } else {
      return absl::StrCat(part);
    }
  }

  const bool streaming_;
};

// The engine's side of a call.
class PlayedCall : public Call {
 public:
  explicit PlayedCall(StreamSink& sink) : sink(sink) {}
  void Start() override { started = true; }
  void Cancel() override {
    if (std::exchange(cancelled, true) || over) return;
    CallRecord record;
    record.outcome = CallOutcome::kFailed;
    record.error.reason = "CANCELLED";
    End(record);
  }
  void Stop() override { Cancel(); }
  void SinkDrained() override { ++drained; }

  void Text(std::string_view text) {
    StreamEvent event;
    event.text = text;
    sink.Write(event);
  }
  void End(CallOutcome outcome) {
    CallRecord record;
    record.outcome = outcome;
    record.served_by = "a/one";
    if (outcome == CallOutcome::kFailed) record.error.reason = "ATTEMPTS_EXHAUSTED";
    End(record);
  }
  void End(const CallRecord& record) {
    over = true;
    sink.Finish(record);
  }

  StreamSink& sink;
  bool started = false;
  bool cancelled = false;
  bool over = false;
  int drained = 0;
};

class IdempotencyTest : public testing::Test {
 protected:
  struct Joined {
    Verdict verdict;
    std::unique_ptr<Caller> caller;
    std::unique_ptr<SharedReader> reader;
  };

  Joined Join(const std::string& key, std::string_view request = "body", bool streaming = true,
              TimePoint deadline = absl::InfiniteFuture()) {
    Joined joined;
    joined.caller = std::make_unique<Caller>(streaming);
    joined.reader =
        std::make_unique<SharedReader>(loop_, *joined.caller, SharedReader::Traits{"chat", kPending, deadline});
    auto claim = store_->TryClaim(key, FingerprintOf(request, ""), joined.reader->place(), loop_.Now(), [&] {
      return std::make_shared<SharedCall>(loop_, *store_,
                                          SharedCall::Traits{key, absl::StrCat("id", calls_), streaming, kPending});
    });
    joined.verdict = claim.verdict;
    if (claim.call == nullptr) return joined;
    std::function<void()> run;
    if (claim.verdict == Verdict::kFirst) {
      run = [this, call = claim.call] {
        call->Run(
            [this](CallParams, StreamSink& sink) {
              auto played = std::make_unique<PlayedCall>(sink);
              played_ = played.get();
              ++calls_;
              return played;
            },
            CallParams());
      };
    }
    joined.reader->Follow(claim.call, std::move(run));
    joined.reader->Start();
    loop_.RunFor(absl::ZeroDuration());
    return joined;
  }

  void Turn() { loop_.RunFor(absl::ZeroDuration()); }
  void NewStore(const IdempotencyLimits& limits) { store_ = std::make_unique<IdempotencyStore>(limits); }
  IdempotencyFigures Figures() { return store_->figures(loop_.Now()); }

  static constexpr size_t kPending = 1000;
  SimulatedLoop loop_;
  std::unique_ptr<IdempotencyStore> store_ = std::make_unique<IdempotencyStore>(IdempotencyLimits());
  PlayedCall* played_ = nullptr;  // the last one
  int calls_ = 0;
};

TEST_F(IdempotencyTest, RowD5TheSameKeyJoinsARunningCallFromItsFirstEvent) {
  auto first = Join("k");
  EXPECT_EQ(first.verdict, Verdict::kFirst);
  played_->sink.Started("a/one", "m");
  played_->Text("one");
  Turn();
  auto second = Join("k");
  EXPECT_EQ(second.verdict, Verdict::kJoined);
  played_->Text("two");
  Turn();
  played_->End(CallOutcome::kComplete);
  Turn();
  EXPECT_EQ(calls_, 1);
  EXPECT_EQ(first.caller->told.size(), 4u);
  EXPECT_EQ(second.caller->told, first.caller->told);
  EXPECT_EQ(Figures().joins, 1u);
}

TEST_F(IdempotencyTest, RowC7AFinishedCallIsReplayedEventForEvent) {
  auto first = Join("k");
  played_->sink.Started("a/one", "m");
  UsageCounts usage;
  usage.output_tokens = 7;
  std::vector<TokenLogprobValue> logprobs(1);
  logprobs[0].token = "t";
  std::vector<float> values = {0.5f, 2};
  StreamEvent event;
  event.text = "x";
  event.choice = 2;
  event.part = 3;
  event.id = "i";
  event.name = "n";
  event.usage = &usage;
  event.logprobs = &logprobs;
  event.embedding = values;
  for (const auto kind : {StreamEvent::Kind::kToolCallStart, StreamEvent::Kind::kUsage, StreamEvent::Kind::kExtras}) {
    event.kind = kind;
    played_->sink.Write(event);
  }
  played_->sink.Restart();
  played_->Text("anew");
  played_->End(CallOutcome::kComplete);
  Turn();
  auto again = Join("k");
  EXPECT_EQ(again.verdict, Verdict::kReplayed);
  EXPECT_EQ(again.caller->told, first.caller->told);
  EXPECT_EQ(again.caller->end->served_by, "a/one");
  EXPECT_EQ(calls_, 1);
  EXPECT_EQ(Figures().replays, 1u);
}

TEST_F(IdempotencyTest, WhatFailedBeforeContentIsRunAnew) {
  auto first = Join("k");
  played_->End(CallOutcome::kFailed);
  Turn();
  EXPECT_EQ(first.caller->end->error.reason, "ATTEMPTS_EXHAUSTED");
  EXPECT_EQ(Join("k").verdict, Verdict::kFirst);
  EXPECT_EQ(calls_, 2);
}

TEST_F(IdempotencyTest, ATruncatedAnswerIsReplayedAsItWas) {
  auto first = Join("k");
  played_->sink.Started("a/one", "m");
  played_->Text("half");
  played_->End(CallOutcome::kTruncated);
  Turn();
  auto again = Join("k");
  EXPECT_EQ(again.verdict, Verdict::kReplayed);
  EXPECT_EQ(again.caller->told, first.caller->told);
}

TEST_F(IdempotencyTest, AnotherRequestUnderTheKeyIsAConflict) {
  auto first = Join("k", "body");
  EXPECT_EQ(Join("k", "other body").verdict, Verdict::kConflict);
  EXPECT_EQ(Join("other key", "other body").verdict, Verdict::kFirst);
  EXPECT_EQ(Figures().conflicts, 1u);
  EXPECT_NE(FingerprintOf("ab", "c"), FingerprintOf("a", "bc"));
}

TEST_F(IdempotencyTest, OnlyTheLastOneWhoLeavesCancelsTheCall) {
  auto first = Join("k");
  auto second = Join("k");
  played_->sink.Started("a/one", "m");
  first.reader->Cancel();
  EXPECT_EQ(first.caller->end->error.reason, "CANCELLED");
  first.reader.reset();
  Turn();
  EXPECT_FALSE(played_->cancelled);
  played_->Text("for the second");
  Turn();
  EXPECT_EQ(second.caller->told.size(), 2u);
  PlayedCall* played = played_;
  second.reader->Cancel();
  EXPECT_FALSE(played->cancelled) << "from within another's turn";
  second.reader.reset();
  Turn();  // the call was cancelled, and is gone
  EXPECT_EQ(Figures().entries, 0);
  EXPECT_EQ(Figures().bytes, 0);
  EXPECT_EQ(Join("k").verdict, Verdict::kFirst);
}

TEST_F(IdempotencyTest, WhoLeavesTakesNobodyElsesTime) {
  const TimePoint soon = loop_.Now() + absl::Seconds(1);
  auto hasty = Join("k", "body", true, soon);
  auto patient = Join("k");
  played_->sink.Started("a/one", "m");
  Turn();
  loop_.RunFor(absl::Seconds(2));
  ASSERT_TRUE(hasty.caller->end);
  EXPECT_EQ(hasty.caller->end->outcome, CallOutcome::kTruncated);
  EXPECT_LT(hasty.caller->end->started + hasty.caller->end->total, soon);
  EXPECT_FALSE(patient.caller->end);
  played_->End(CallOutcome::kComplete);
  Turn();
  EXPECT_EQ(patient.caller->end->outcome, CallOutcome::kComplete);
}

TEST_F(IdempotencyTest, ADeadlineBeforeContentIsTheCallersOwn) {
  auto hasty = Join("k", "body", true, loop_.Now() + absl::Seconds(1));
  loop_.RunFor(absl::Seconds(2));
  EXPECT_EQ(hasty.caller->end->outcome, CallOutcome::kFailed);
  EXPECT_EQ(hasty.caller->end->error.reason, "DEADLINE_EXCEEDED");
  hasty.reader.reset();
  EXPECT_EQ(Figures().entries, 0);
}

TEST_F(IdempotencyTest, ADiscardedAttemptIsShownToNobody) {
  auto first = Join("k", "body", false);
  played_->sink.Started("a/one", "m");
  played_->Text("void");
  Turn();
  played_->sink.Discard();
  auto second = Join("k", "body", false);
  played_->sink.Started("b/two", "m");
  played_->Text("good");
  played_->End(CallOutcome::kComplete);
  Turn();
  EXPECT_EQ(first.caller->told, second.caller->told);
  EXPECT_EQ(first.caller->told.front(), "startedb/two/m");
  EXPECT_EQ(Join("k", "body", false).caller->told, first.caller->told);
}

TEST_F(IdempotencyTest, AnAnswerIsForgottenAfterItsTime) {
  auto first = Join("k");
  played_->End(CallOutcome::kComplete);
  Turn();
  loop_.RunFor(absl::Minutes(10) - absl::Milliseconds(1));
  EXPECT_EQ(Join("k").verdict, Verdict::kReplayed);
  loop_.RunFor(absl::Milliseconds(1));
  EXPECT_EQ(Figures().entries, 0);
  EXPECT_EQ(Join("k").verdict, Verdict::kFirst);
}

TEST_F(IdempotencyTest, MemoryForgetsTheOldestAnswersFirst) {
  IdempotencyLimits limits;
  limits.max_bytes = 20'000;
  limits.max_entry_bytes = 10'000;
  NewStore(limits);
  for (const char* key : {"a", "b", "c", "d"}) {
    auto caller = Join(key);
    played_->Text(std::string(4000, 'x'));
    played_->End(CallOutcome::kComplete);
    Turn();
    EXPECT_LE(Figures().bytes, 20'000);
  }
  EXPECT_EQ(Figures().evictions, 1u);
  EXPECT_EQ(Join("d").verdict, Verdict::kReplayed);
  EXPECT_EQ(Join("b").verdict, Verdict::kReplayed);
  EXPECT_EQ(Join("a").verdict, Verdict::kFirst);
}

TEST_F(IdempotencyTest, AnAnswerOverItsBoundIsToldOnceAndNotRunTwice) {
  IdempotencyLimits limits;
  limits.max_entry_bytes = 10'000;
  NewStore(limits);
  auto first = Join("k");
  auto second = Join("k");
  played_->sink.Started("a/one", "m");
  for (int i = 0; i < 200; ++i) {
    played_->Text(std::string(100, 'x'));
    first.caller->pending = second.caller->pending = 0;
    Turn();
  }
  EXPECT_EQ(Join("k").verdict, Verdict::kNotKept);
  EXPECT_EQ(Join("k", "other").verdict, Verdict::kConflict);
  EXPECT_LE(Figures().bytes, 2'000) << "the log still counts";
  played_->End(CallOutcome::kComplete);
  Turn();
  EXPECT_EQ(first.caller->told.size(), 202u);
  EXPECT_EQ(second.caller->told, first.caller->told);
  EXPECT_EQ(Join("k").verdict, Verdict::kNotKept);
  EXPECT_EQ(Figures().not_kept, 1u);
  EXPECT_EQ(calls_, 1);
  loop_.RunFor(absl::Minutes(11));
  EXPECT_EQ(Join("k").verdict, Verdict::kFirst);
}

TEST_F(IdempotencyTest, BeyondTheBoundTheSlowestReaderHoldsTheUpstreamBack) {
  IdempotencyLimits limits;
  limits.max_entry_bytes = 5'000;
  NewStore(limits);
  auto fast = Join("k");
  auto slow = Join("k");
  slow.caller->pending = kPending + 1;
  played_->sink.Started("a/one", "m");
  for (int i = 0; i < 100; ++i) {
    played_->Text(std::string(100, 'x'));
    fast.caller->pending = 0;
    Turn();
  }
  EXPECT_EQ(fast.caller->told.size(), 101u);
  EXPECT_EQ(slow.caller->told.size(), 0u);
  EXPECT_GT(played_->sink.pending_bytes(), 10'000u);
  EXPECT_EQ(played_->drained, 0);
  while (slow.caller->told.size() < 101) {
    slow.caller->pending = 0;
    slow.reader->SinkDrained();
    Turn();
  }
  EXPECT_EQ(played_->sink.pending_bytes(), 0u);
  EXPECT_EQ(played_->drained, 1);
  slow.caller->pending = kPending + 1;
  for (int i = 0; i < 20; ++i) {
    played_->Text(std::string(100, 'x'));
    fast.caller->pending = 0;
    Turn();
  }
  EXPECT_GT(played_->sink.pending_bytes(), kPending);
  slow.reader.reset();
  Turn();
  EXPECT_EQ(played_->drained, 2) << "who leaves no longer holds it back";
}

TEST_F(IdempotencyTest, WithoutRoomForRunningAnswersNewOnesAreNotKept) {
  IdempotencyLimits limits;
  limits.max_bytes = 10'000;
  limits.max_entry_bytes = 9'000;
  NewStore(limits);
  auto one = Join("one");
  PlayedCall* first = played_;
  auto two = Join("two");
  first->Text(std::string(6000, 'x'));
  played_->Text(std::string(6000, 'y'));
  EXPECT_LE(Figures().bytes, 10'000);
  EXPECT_EQ(Join("one").verdict, Verdict::kJoined);
  EXPECT_EQ(Join("two").verdict, Verdict::kNotKept);
}

TEST_F(IdempotencyTest, AnyOrderOfJoinsAndLeavesTellsEveryoneTheSame) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Random random(seed);
    IdempotencyLimits limits;
    limits.max_entry_bytes = random.Below(2) == 0 ? 1 << 20 : 4000;
    NewStore(limits);
    calls_ = 0;
    std::vector<Joined> callers;
    callers.push_back(Join("k"));
    played_->sink.Started("a/one", "m");
    std::vector<std::string> all = {"starteda/one/m"};
    bool running = true;
    for (int i = 0; i < 100 && running; ++i) {
      switch (random.Below(6)) {
        case 0: {
          auto next = Join("k");
          ASSERT_NE(next.verdict, Verdict::kFirst);
          if (next.verdict == Verdict::kJoined) callers.push_back(std::move(next));
          break;
        }
        case 1:
          if (callers.size() > 1) callers.erase(callers.begin() + static_cast<long>(random.Below(callers.size())));
          break;
        case 2: {
          auto& caller = callers[random.Below(callers.size())];
          caller.caller->pending = 0;
          caller.reader->SinkDrained();
          break;
        }
        case 3:
          Turn();
          break;
        default:
          played_->Text(absl::StrCat("w", i, std::string(random.Below(300), '.')));
          all.push_back(absl::StrCat("event1,0,0,w", i));
      }
    }
    played_->End(CallOutcome::kComplete);
    for (int i = 0; i < 200; ++i) {
      for (auto& caller : callers) {
        caller.caller->pending = 0;
        caller.reader->SinkDrained();
      }
      Turn();
    }
    for (auto& caller : callers) {
      ASSERT_TRUE(caller.caller->end);
      ASSERT_EQ(caller.caller->told.size(), all.size() + 1);
      for (size_t i = 0; i < all.size(); ++i) ASSERT_EQ(caller.caller->told[i].rfind(all[i], 0), 0u) << i;
    }
    EXPECT_EQ(calls_, 1);
  }
}

}  // namespace
}  // namespace sluice
