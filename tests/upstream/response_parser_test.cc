// Bytes in, events out, however the bytes are cut.
#include "server/upstream/response_parser.h"

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sluice {
namespace {

using Event = ResponseParser::Event;

// Feeds pieces as the exchange does; "H200 B(text) E", '+' where the
// connection can be reused, "!" for an error.
std::string ParseAll(const std::vector<std::string>& pieces, bool closed = false,
                     bool no_body = false) {
  ResponseParser parser(1024, no_body);
  std::string log, body, stash;
  for (const std::string& piece : pieces) {
    stash += piece;
    std::string_view input = stash;
    for (bool more = true; more;) {
      switch (parser.Next(input)) {
        case Event::kNeedMore:
          more = false;
          break;
        case Event::kHead:
          log += "H" + std::to_string(parser.head().status()) + "[" +
                 std::string(parser.head().header("x-a")) + "] ";
          break;
        case Event::kBody:
          body += parser.body();
          break;
        case Event::kEnd:
          return log + "B(" + body + ") E" + (parser.keep_alive() ? "+" : "") +
                 (input.empty() ? "" : " left");
        case Event::kError:
          EXPECT_FALSE(parser.error().empty());
          return log + "B(" + body + ") !";
      }
    }
    stash = std::string(input);
  }
  if (!closed) return log + "B(" + body + ") ...";
  return log + "B(" + body + ") " + (parser.Close() == Event::kEnd ? "E" : "!");
}

struct Response {
  std::string name;
  std::string bytes;
  bool closed;
  std::string expected;
};

class ResponseParserTest : public ::testing::TestWithParam<Response> {};

TEST_P(ResponseParserTest, SplitAtEveryByteGivesTheSameEvents) {
  const Response& response = GetParam();
  EXPECT_EQ(ParseAll({response.bytes}, response.closed), response.expected);
  for (size_t cut = 1; cut < response.bytes.size(); ++cut) {
    EXPECT_EQ(ParseAll({response.bytes.substr(0, cut), response.bytes.substr(cut)},
                       response.closed),
              response.expected)
        << "cut at " << cut;
  }
  std::vector<std::string> bytes;
  for (const char byte : response.bytes) bytes.push_back(std::string(1, byte));
  EXPECT_EQ(ParseAll(bytes, response.closed), response.expected) << "byte by byte";
}

const std::string kChunkedHead = "HTTP/1.1 200 OK\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n";

INSTANTIATE_TEST_SUITE_P(
    Responses, ResponseParserTest,
    ::testing::Values(
        Response{"ContentLength", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: v\r\n\r\nhello",
                 false, "H200[v] B(hello) E+"},
        Response{"EmptyBody", "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", false,
                 "H500[] B() E+"},
        Response{"NoContent", "HTTP/1.1 204 No Content\r\n\r\n", false, "H204[] B() E+"},
        Response{"Chunked", kChunkedHead + "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", false,
                 "H200[1] B(hello world) E+"},
        Response{"EmptyChunked", kChunkedHead + "0\r\n\r\n", false, "H200[1] B() E+"},
        Response{"ExtensionsAndTrailers",
                 kChunkedHead + "5;n=v;q=\"a;b\"\r\nhello\r\n0;last\r\nX-A: 2\r\nX-B: 3\r\n\r\n",
                 false, "H200[1] B(hello) E+"},
        Response{"UpperCaseHex", kChunkedHead + "A\r\n0123456789\r\n0\r\n\r\n", false,
                 "H200[1] B(0123456789) E+"},
        Response{"Informational",
                 "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nX-A: no\r\n\r\n"
                 "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n.",
                 false, "H200[] B(.) E+"},
        Response{"UntilClose", "HTTP/1.1 200 OK\r\n\r\nhello", true, "H200[] B(hello) E"},
        Response{"UntilCloseEmpty", "HTTP/1.1 200 OK\r\n\r\n", true, "H200[] B() E"},
        Response{"ConnectionClose",
                 "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 1\r\n\r\n.", false,
                 "H200[] B(.) E"},
        Response{"CutBody", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", true,
                 "H200[] B(hello) !"},
        Response{"CutHead", "HTTP/1.1 200 OK\r\nContent-", true, "B() !"},
        // Clear, though they break the grammar: read, and never used again.
        Response{"NoReasonPhrase", "HTTP/1.1 200\r\nX-A: v\r\nContent-Length: 5\r\n\r\nhello", false, "H200[v] B(hello) E"},
        Response{"BareLineFeeds", "HTTP/1.1 200 OK\nX-A: v\nContent-Length: 5\n\nhello", false, "H200[v] B(hello) E"},
        Response{"OneBareLineFeed", "HTTP/1.1 200 OK\r\nX-A: v\nContent-Length: 5\r\n\r\nhello", false, "H200[v] B(hello) E"},
        Response{"BareLastLine", "HTTP/1.1 200 OK\r\nX-A: v\r\nContent-Length: 5\r\n\nhello", false, "H200[v] B(hello) E"},
        Response{"EmptyLineBefore", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, "H200[] B(hello) E"},
        Response{"LengthAndChunked",
                 "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX-A: v\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                 false, "H200[v] B(hello) E"},
        Response{"ChunkedAndLength",
                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                 false, "H200[] B(hello) E"},
        Response{"ChunkedTwice",
                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                 false, "H200[] B(hello) E"},
        Response{"ChunkedChunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                 false, "H200[] B(hello) E"},
        Response{"IdentityChunked",
                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity,chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", false,
                 "H200[] B(hello) E"},
        Response{"IdentityAndLength", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: identity\r\n\r\nhello",
                 false, "H200[] B(hello) E"},
        Response{"BlankBeforeColon", "HTTP/1.1 200 OK\r\nX-A : v\r\nTransfer-Encoding : chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                 false, "H200[v] B(hello) E"},
        Response{"OddNamesAndNoField", "HTTP/1.1 200 OK\r\nX-F\xf6\xf6: 1\r\nno field\r\n: none\r\nX-A: v\r\nContent-Length: 5\r\n\r\nhello",
                 false, "H200[v] B(hello) E"},
        Response{"ControlCharacters", "HTTP/1.1 200 O\x01K\r\nX-A: a\x02" "b\r\nContent-Length: 5\r\n\r\nhello", false,
                 "H200[a b] B(hello) E"},
        Response{"FoldedValue", "HTTP/1.1 200 OK\r\nX-A: a\r\n  b\r\nContent-Length: 5\r\n\r\nhello", false, "H200[a b] B(hello) E+"},
        Response{"SameLengthTwice", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", false,
                 "H200[] B(hello) E"},
        Response{"SameLengthInAList", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", false, "H200[] B(hello) E"},
        Response{"ConnectionOfNonsense", "HTTP/1.1 200 OK\r\nConnection: @keep, alive;\r\nContent-Length: 5\r\n\r\nhello", false,
                 "H200[] B(hello) E"},
        Response{"OddAfterInformational", "HTTP/1.1 100\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false,
                 "H200[] B(hello) E"},
        // Not clear.
        Response{"TwoLengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello", false, "B() !"},
        Response{"LengthThatIsNone", "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello", false, "B() !"},
        Response{"OtherTransferCoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", false,
                 "B() !"},
        Response{"StatusOfFourDigits", "HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello", false, "B() !"},
        Response{"CutBareHead", "HTTP/1.1 200 OK\nX-A: v\n", true, "B() !"},
        Response{"BadChunkEnd", kChunkedHead + "5\r\nhelloXX0\r\n\r\n", false,
                 "H200[1] B(hello) !"}),
    [](const auto& info) { return info.param.name; });

TEST(ResponseParserLimitsTest, AnswerToHeadHasNoBody) {
  EXPECT_EQ(ParseAll({"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"}, false, true), "H200[] B() E+");
}

TEST(ResponseParserLimitsTest, TellsWhatIsLeftOver) {
  EXPECT_EQ(ParseAll({"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n.HTTP"}), "H200[] B(.) E+ left");
}

TEST(ResponseParserLimitsTest, BoundsAHeadThatComesFieldByField) {
  std::vector<std::string> pieces = {"HTTP/1.1 200 OK\r\n"};
  for (int i = 0; i < 1000; ++i) pieces.push_back("X-Filler: 0123456789\r\n");
  EXPECT_EQ(ParseAll(pieces), "B() !");
}

TEST(ResponseParserLimitsTest, BoundsAnEndlessChunkExtension) {
  std::vector<std::string> pieces = {kChunkedHead + "5;"};
  for (int i = 0; i < 1000; ++i) pieces.push_back("0123456789");
  EXPECT_EQ(ParseAll(pieces), "H200[1] B() !");
}

TEST(ResponseParserLimitsTest, BoundsEndlessTrailers) {
  std::vector<std::string> pieces = {kChunkedHead + "0\r\n"};
  for (int i = 0; i < 1000; ++i) pieces.push_back("X-Filler: 0123456789\r\n");
  EXPECT_EQ(ParseAll(pieces), "H200[1] B() !");
}

TEST(ResponseParserLimitsTest, WhatIsNoHttpFailsAtOnce) {
  EXPECT_EQ(ParseAll({"SSH-2.0-OpenSSH_9.2\r\n"}), "B() !");
  EXPECT_EQ(ParseAll({"HTTP/2.0 200 OK\r\n"}), "B() !");
}

TEST(ResponseParserLimitsTest, BoundsAHeadUnderRepair) {
  std::vector<std::string> pieces = {"HTTP/1.1 200\r\n"};
  for (int i = 0; i < 1000; ++i) pieces.push_back("X-Filler: 0123456789\n");
  EXPECT_EQ(ParseAll(pieces), "B() !");
}

TEST(ResponseParserLimitsTest, TellsOfAContentCoding) {
  for (const bool coded : {true, false}) {
    ResponseParser parser(1024, false);
    const std::string bytes = std::string("HTTP/1.1 200 OK\r\n") + (coded ? "content-encoding: gzip\r\n" : "") + "\r\n";
    std::string_view input = bytes;
    ASSERT_EQ(parser.Next(input), Event::kHead);
    EXPECT_EQ(parser.encoded(), coded);
  }
}

// Under the sanitizers: no input may be more than an error.
TEST(ResponseParserLimitsTest, SurvivesHostileBytes) {
  const std::vector<std::string> fragments = {
      "HTTP/1.1 200 OK\r\n", "HTTP/1.1 1", "Content-Length: 18446744073709551615\r\n",
      "Content-Length: -1\r\n", "Transfer-Encoding: chunked\r\n", "\r\n", "\n", "\r", "0\r\n",
      "ffffffffffffffff\r\n", "fffffffffffffffff\r\n", "5\r\nhello\r\n", ";a=\"", "\"", " ", ":",
      "Connection: ,,,\r\n", std::string(1, '\0'), "\xff\xfe", "X: y\r\n z\r\n",
      "Transfer-Encoding: identity\r\n", "HTTP/1.1 200\n", ": \n", "\n\n"};
  std::mt19937 random(20240);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::string> pieces;
    if (round % 2 == 0) pieces.push_back("HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 8; ++i) pieces.push_back(fragments[random() % fragments.size()]);
    ParseAll(pieces, true);
  }
}

}  // namespace
}  // namespace sluice
