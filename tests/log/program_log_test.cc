#include "proto/log/program_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <spdlog/spdlog.h>
#include <stdlib.h>
#include <time.h>

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/time/clock.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::SizeIs;

class ProgramLogTest : public testing::Test {
 protected:
  void Start(LogFormat format, const LineWriterOptions& options = {}) {
    log_ = std::make_unique<ProgramLog>(format, options, [this](std::string_view lines) {
      text_ += lines;
      return lines.size();
    });
  }
  std::vector<std::string> Lines() {
    log_->writer().Flush();
    std::vector<std::string> lines;
    std::istringstream text(text_);
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }

  std::string text_;  // the writer's until a Flush
  std::unique_ptr<ProgramLog> log_;
};

TEST_F(ProgramLogTest, TextHasUtcLevelAndMessageWhateverTheZone) {
  setenv("TZ", "Asia/Kolkata", 1);
  tzset();
  Start(LogFormat::kText);
  const int64_t before = absl::ToUnixMillis(absl::Now());
  spdlog::warn("revision {} is late", 7);
  const int64_t after = absl::ToUnixMillis(absl::Now());
  const auto lines = Lines();
  ASSERT_THAT(lines, ElementsAre(MatchesRegex("[0-9-]+T[0-9:]+\\.[0-9][0-9][0-9]Z warning revision 7 is late")));
  absl::Time told;
  std::string error;
  ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, lines[0].substr(0, lines[0].find(' ')), &told, &error)) << error;
  EXPECT_GE(absl::ToUnixMillis(told), before);
  EXPECT_LE(absl::ToUnixMillis(told), after);
  unsetenv("TZ");
  tzset();
}

TEST_F(ProgramLogTest, JsonIsOneObjectALine) {
  Start(LogFormat::kJson);
  spdlog::error("refused: \"a\\b\"\n\x1b[31m{}", "\xff");
  const auto lines = Lines();
  ASSERT_THAT(lines, SizeIs(1));
  rapidjson::Document document;
  document.Parse<rapidjson::kParseValidateEncodingFlag>(lines[0].c_str());
  ASSERT_TRUE(document.IsObject()) << lines[0];
  EXPECT_STREQ(document["level"].GetString(), "error");
  EXPECT_STREQ(document["message"].GetString(), "refused: \"a\\b\"\n\x1b[31m\ufffd");
  EXPECT_THAT(document["time"].GetString(), MatchesRegex("[0-9-]+T[0-9:]+\\.[0-9]+Z"));
}

TEST_F(ProgramLogTest, OneCallIsOneLineInText) {
  Start(LogFormat::kText);
  spdlog::info("label {}", "a\n2026-01-01T00:00:00.000Z error forged\r\x1b[2J");
  EXPECT_THAT(Lines(), ElementsAre(HasSubstr(" info label a\\n2026-01-01T00:00:00.000Z error forged\\u000d\\u001b[2J")));
}

TEST_F(ProgramLogTest, DroppedLinesAreToldBySort) {
  LineWriterOptions options;
  options.calls.max_lines_per_second = 1;
  options.program.max_buffer_bytes = 10;
  Start(LogFormat::kText, options);
  spdlog::info("too long for that buffer");
  for (int i = 0; i < 3; ++i) log_->writer().Write(LineSort::kCalls, "call\n", absl::UnixEpoch());
  log_->Close();
  EXPECT_THAT(text_, HasSubstr("Z warning log_dropped lines=1\n"));
  EXPECT_THAT(text_, HasSubstr("Z warning call_log_dropped lines="));
}

TEST_F(ProgramLogTest, WhatIsLoggedAfterTheEndHarmsNobody) {
  Start(LogFormat::kText);
  spdlog::info("before");
  log_.reset();
  spdlog::info("after");
  EXPECT_THAT(text_, HasSubstr("before"));
  EXPECT_THAT(text_, testing::Not(HasSubstr("after")));
}

}  // namespace
}  // namespace sluice
