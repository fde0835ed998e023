#include "client/chat_screen.h"

#include <fcntl.h>
#include <unistd.h>

#include <sstream>

#include "client/line_reader.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "tests/client/fake_gateway.h"

namespace sluice {
namespace {

using testing::EndEvent;
using testing::Text;

CallResult Complete() {
  CallResult result;
  result.end = EndEvent(v1::OUTCOME_COMPLETE).end();
  return result;
}

TEST(TailLineTest, SaysHowTheAnswerCame) {
  EXPECT_EQ(TailLine(EndEvent(v1::OUTCOME_COMPLETE).end(),
                     {.first_token = absl::Milliseconds(312), .total = absl::Milliseconds(2246)}),
            "complete · openai/backup · 2 attempts · first token 312 ms · 118 tokens at 61/s");
}

TEST(TailLineTest, LeavesOutWhatIsNotKnown) {
  v1::End end;
  end.set_outcome(v1::OUTCOME_FALLBACK);
  EXPECT_EQ(TailLine(end, {}), "fallback");
}

TEST(SafeForTerminalTest, LetsNoEscapeThroughAndKeepsText) {
  EXPECT_EQ(SafeForTerminal("a\x1b[2Jb"), "a\xEF\xBF\xBD[2Jb");
  EXPECT_EQ(SafeForTerminal("\xC2\x9B" "31m"), "\xEF\xBF\xBD" "31m");
  EXPECT_EQ(SafeForTerminal("ä é\n\tß 漢"), "ä é\n\tß 漢");
  EXPECT_EQ(SafeForTerminal("a\u202Egnp.exe"), "a\uFFFDgnp.exe");
  EXPECT_EQ(SafeForTerminal("\u2066a\u2069"), "\uFFFDa\uFFFD");
  // A joiner and the emoji it joins may come in two pieces; dashes are beside the marks.
  EXPECT_EQ(SafeForTerminal("\u200D👩 – “q” …"), "\u200D👩 – “q” …");
}

class ChatScreenTest : public ::testing::Test {
 protected:
  void Run(const ChatScreen::Options& options, const std::vector<v1::ChatEvent>& events, const CallResult& result,
           bool cancelled = false) {
    ChatScreen screen(out_, err_, options);
    screen.Start(absl::UnixEpoch());
    for (const auto& event : events) screen.Show(event, absl::UnixEpoch() + absl::Milliseconds(312));
    screen.Finish(result, cancelled, absl::UnixEpoch() + absl::Milliseconds(2246));
  }

  std::ostringstream out_;
  std::ostringstream err_;
};

v1::ChatEvent Thought(const std::string& text) {
  v1::ChatEvent event;
  event.mutable_reasoning()->set_text(text);
  return event;
}

TEST_F(ChatScreenTest, GivesAPipeTheTextAndNothingElse) {
  Run({}, {Thought("hm"), Text("one "), Text("two")}, Complete());
  EXPECT_EQ(out_.str(), "one two\n");
  EXPECT_EQ(err_.str(), "");
}

TEST_F(ChatScreenTest, ShowsReasoningDimAndTheTailLineOnATerminal) {
  Run({.out_is_terminal = true, .err_is_terminal = true}, {Thought("hm"), Text("one")}, Complete());
  EXPECT_EQ(out_.str(), "\x1b[2mhm\n\x1b[0mone\n");
  EXPECT_EQ(err_.str(),
            "\x1b[2mcomplete · openai/backup · 2 attempts · first token 312 ms · 118 tokens at 61/s\x1b[0m\n");
}

TEST_F(ChatScreenTest, UsesNoColourWhereNoneIsWanted) {
  Run({.out_is_terminal = true, .err_is_terminal = true, .color = false}, {Thought("hm"), Text("one")}, Complete());
  EXPECT_EQ((out_.str() + err_.str()).find('\x1b'), std::string::npos);
}

v1::ChatEvent Parsed(const std::string& text) {
  v1::ChatEvent event;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &event)) << text;
  return event;
}

TEST_F(ChatScreenTest, ShowsWhatIsSpokenAsTextUnlessItIsWrittenToo) {
  const v1::ChatEvent spoken = Parsed("part: 1 media { data: 'xyz' transcript: 'spoken' }");
  Run({}, {spoken}, Complete());
  EXPECT_EQ(out_.str(), "spoken\n");
  out_.str("");
  Run({}, {Text("written"), spoken}, Complete());
  EXPECT_EQ(out_.str(), "written\n");
}

TEST_F(ChatScreenTest, TellsSourcesBesideTheTextOnATerminal) {
  const std::vector<v1::ChatEvent> events = {Text("one"), Parsed("citation { url: 'https://a' title: 'A\x1b[2J' }"),
                                             Parsed("citation { file_id: 'doc' }")};
  Run({.out_is_terminal = true, .err_is_terminal = true, .color = false}, events, Complete());
  EXPECT_EQ(out_.str(), "one\n");
  EXPECT_EQ(err_.str().find("[1] A\xEF\xBF\xBD[2J, https://a\n[2] doc\ncomplete"), 0u) << err_.str();
  err_.str("");
  Run({}, events, Complete());
  EXPECT_EQ(err_.str(), "");
}

v1::ChatEvent Restart() {
  v1::ChatEvent event;
  event.mutable_continuation()->set_mode(v1::CONTINUATION_MODE_RESTART);
  event.mutable_continuation()->set_served_by("b/two");
  return event;
}

TEST_F(ChatScreenTest, SaysOnATerminalThatTheAnswerBeginsAnew) {
  Run({.out_is_terminal = true, .color = false}, {Text("half"), Restart(), Text("whole")}, Complete());
  EXPECT_EQ(out_.str(), "half\n--- the answer above was cut and is void; it begins anew at b/two ---\nwhole\n");
}

TEST_F(ChatScreenTest, GivesAPipeOnlyTextAndTellsARestartBesideIt) {
  Run({}, {Text("half"), Restart(), Text("whole")}, Complete());
  EXPECT_EQ(out_.str(), "half\nwhole\n");
  EXPECT_EQ(err_.str(), "sluice-chat: the answer above was cut and is void; it begins anew at b/two\n");
}

TEST_F(ChatScreenTest, ARestartBeforeAnyTextIsNoNews) {
  Run({.out_is_terminal = true, .color = false}, {Restart(), Text("whole")}, Complete());
  EXPECT_EQ(out_.str(), "whole\n");
}

TEST(TailLineTest, NamesTheFallbackItsCauseAndTheRestarts) {
  v1::End end = EndEvent(v1::OUTCOME_FALLBACK).end();
  end.set_fallback("spare");
  end.mutable_error()->set_error_class("overload");
  end.set_restarts(1);
  EXPECT_EQ(TailLine(end, {}).substr(0, 60), "fallback spare, after overload · openai/backup · 1 restart");
}

TEST_F(ChatScreenTest, SaysThatTheTextAboveIsIncompleteAndWhatWasTried) {
  CallResult result;
  result.failure.code = grpc::StatusCode::ABORTED;
  result.failure.message = "cut after 3 tokens";
  result.failure.attempts.push_back(EndEvent(v1::OUTCOME_TRUNCATED).end().attempts(0));
  Run({}, {Text("half")}, result);
  EXPECT_EQ(out_.str(), "half\n");
  EXPECT_EQ(err_.str(),
            "sluice-chat: the answer above is incomplete: ABORTED: cut after 3 tokens\n"
            "  openai/primary: overload, HTTP 503\n");
}

TEST(LineReaderTest, GivesLinesTheLastOneWithoutBreakToo) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const std::string text = "one\n\nthree";
  ASSERT_EQ(write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  close(ends[1]);
  LineReader reader(ends[0]);
  std::string line;
  for (const char* wanted : {"one", "", "three"}) {
    EXPECT_EQ(reader.Next(line), LineReader::Outcome::kLine);
    EXPECT_EQ(line, wanted);
  }
  EXPECT_EQ(reader.Next(line), LineReader::Outcome::kEnd);
  close(ends[0]);
}

}  // namespace
}  // namespace sluice
