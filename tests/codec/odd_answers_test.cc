// What the model meant comes out of whatever form a server gives it, and nothing
// that broke off is told as whole.
#include "tests/codec/odd_answers.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "server/codec/wire_format.h"

namespace sluice {
namespace {

constexpr uint64_t kSeeds = 20000;

// Puts the events together as a caller does, and watches the delta contract.
class Caller : public StreamEventHandler {
 public:
  void OnEvent(const StreamEvent& event) override {
    using Kind = StreamEvent::Kind;
    if (event.kind == Kind::kUsage) got.usage = {event.usage->input_tokens.value_or(-1), event.usage->output_tokens.value_or(-1)};
    if (event.kind == Kind::kChoiceEnd) {
      if (!open_.empty()) problems += "choice-end with open parts; ";
      ++choice_ends;
    }
    const bool of_part = event.is_content() || event.kind == Kind::kPartEnd;
    if (!of_part || event.kind == Kind::kExtras) return;
    if (choice_ends > 0) problems += "content after choice-end; ";
    if (event.part == next_part_ && event.kind != Kind::kPartEnd) {
      ++next_part_;
      open_.insert(event.part);
    }
    if (!open_.contains(event.part)) problems += "a delta of a part that is not open; ";
    if (event.kind == Kind::kPartEnd) open_.erase(event.part);
    if (event.kind == Kind::kContent) got.text += event.text;
    if (event.kind == Kind::kReasoning) got.reasoning += event.text;
    if (event.kind == Kind::kToolCallStart) {
      if (!ids_.insert(std::string(event.id)).second) problems += "two calls of one id; ";
      calls_[event.part].first = event.name;
    }
    if (event.kind == Kind::kToolCallDelta) calls_[event.part].second += event.text;
  }

  void Finish() {
    for (const auto& [part, call] : calls_) got.calls.push_back(call);
  }

  MeantAnswer got;
  std::string problems;
  int choice_ends = 0;

 private:
  int next_part_ = 0;
  std::set<int> open_;
  std::set<std::string> ids_;
  std::map<int, std::pair<std::string, std::string>> calls_;
};

struct Outcome {
  Caller caller;
  ResponseDecoder::State state = ResponseDecoder::State::kMore;
  std::string error;
};

Outcome Decode(const OddAnswer& answer, size_t step) {
  Outcome outcome;
  const auto decoder = OpenAiFormat().NewDecoder(AnswerOptions());
  for (size_t at = 0; at < answer.bytes.size(); at += step) {
    decoder->Feed(std::string(answer.bytes.substr(at, step)), outcome.caller);
  }
  outcome.state = answer.cut ? decoder->Cut(outcome.caller) : decoder->End(outcome.caller);
  outcome.error = decoder->error().message;
  outcome.caller.Finish();
  return outcome;
}

TEST(OddAnswersTest, WhatTheModelMeantComesOut) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const OddAnswer answer = MakeOddAnswer(seed);
    const Outcome outcome = Decode(answer, answer.bytes.size());
    SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + answer.bytes);
    ASSERT_EQ(outcome.caller.problems, "");
    if (!answer.whole) {
      ASSERT_NE(outcome.state, ResponseDecoder::State::kDone);
      continue;
    }
    ASSERT_EQ(outcome.state, ResponseDecoder::State::kDone) << outcome.error;
    ASSERT_EQ(outcome.caller.choice_ends, 1);
    ASSERT_EQ(outcome.caller.got.text, answer.meant.text);
    ASSERT_EQ(outcome.caller.got.reasoning, answer.meant.reasoning);
    ASSERT_EQ(outcome.caller.got.calls, answer.meant.calls);
    ASSERT_EQ(outcome.caller.got.usage, answer.meant.usage);
  }
}

TEST(OddAnswersTest, SplitsMakeNoDifference) {
  for (uint64_t seed = 1; seed <= kSeeds / 10; ++seed) {
    const OddAnswer answer = MakeOddAnswer(seed);
    const Outcome whole = Decode(answer, answer.bytes.size());
    for (const size_t step : {size_t{1}, size_t{7}, size_t{64}}) {
      const Outcome split = Decode(answer, step);
      SCOPED_TRACE("seed " + std::to_string(seed) + ", step " + std::to_string(step));
      ASSERT_EQ(split.state, whole.state);
      ASSERT_EQ(split.caller.got.text, whole.caller.got.text);
      ASSERT_EQ(split.caller.got.calls, whole.caller.got.calls);
    }
  }
}

// Cut at any byte before its finish reason, it is not whole.
TEST(OddAnswersTest, NoBeginningOfAnAnswerIsWhole) {
  for (uint64_t seed = 1; seed <= kSeeds / 20; ++seed) {
    OddAnswer answer = MakeOddAnswer(seed);
    const size_t finish = answer.bytes.find("\"finish_reason\":\"");
    const size_t end = std::min(finish == std::string::npos ? answer.bytes.size() : finish, answer.bytes.size());
    answer.cut = true;
    answer.bytes.resize(end * (seed % 97) / 97);
    ASSERT_NE(Decode(answer, 50).state, ResponseDecoder::State::kDone) << "seed " << seed << "\n" << answer.bytes;
  }
}

}  // namespace
}  // namespace sluice
