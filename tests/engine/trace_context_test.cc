#include "server/engine/trace_context.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

constexpr char kValid[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceContextTest, ReadsAndWritesTheSame) {
  const auto context = ParseTraceparent(kValid);
  ASSERT_TRUE(context);
  EXPECT_EQ(context->trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(context->span_id, "00f067aa0ba902b7");
  EXPECT_EQ(context->flags, 1);
  EXPECT_EQ(context->ToTraceparent(), kValid);
}

struct BadCase {
  const char* name;
  std::string header;
};

class BadTraceparentTest : public testing::TestWithParam<BadCase> {};

TEST_P(BadTraceparentTest, IsIgnored) { EXPECT_FALSE(ParseTraceparent(GetParam().header)); }

INSTANTIATE_TEST_SUITE_P(
    All, BadTraceparentTest,
    testing::Values(BadCase{"Empty", ""}, BadCase{"Short", std::string(kValid).substr(0, 54)},
                    BadCase{"LongVersion00", std::string(kValid) + "-x"},
                    BadCase{"VersionFf", "ff" + std::string(kValid).substr(2)},
                    BadCase{"UpperCase", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"},
                    BadCase{"ZeroTrace", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"},
                    BadCase{"ZeroSpan", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"},
                    BadCase{"NoDash", "00-4bf92f3577b34da6a3ce929d0e0e4736+00f067aa0ba902b7-01"},
                    BadCase{"NotHexFlags", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g"}),
    [](const auto& info) { return info.param.name; });

TEST(TraceContextTest, LaterVersionsAreReadByTheirFirstFields) {
  const std::string later = "cc" + std::string(kValid).substr(2);
  EXPECT_TRUE(ParseTraceparent(later));
  EXPECT_TRUE(ParseTraceparent(later + "-what-comes"));
  EXPECT_FALSE(ParseTraceparent(later + "what"));
}

TEST(TraceContextTest, ChildStaysInItsTraceWithASpanOfItsOwn) {
  Random random(1);
  const auto parent = *ParseTraceparent(kValid);
  const TraceContext child = ChildOf(parent, random);
  EXPECT_EQ(child.trace_id, parent.trace_id);
  EXPECT_NE(child.span_id, parent.span_id);
  EXPECT_TRUE(ParseTraceparent(child.ToTraceparent()));
  EXPECT_TRUE(ParseTraceparent(NewTrace(random).ToTraceparent()));
}

}  // namespace
}  // namespace sluice
