#include "proto/listen/descriptor_budget.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "proto/listen/descriptor_guard.h"
#include "proto/listen/shortage.h"

namespace sluice {
namespace {

struct SplitCase {
  const char* name;
  int64_t limit;
  DescriptorNeeds needs;
  int64_t callers, upstreams;
};

class Split : public testing::TestWithParam<SplitCase> {};

TEST_P(Split, SharesAllThereIs) {
  const SplitCase& row = GetParam();
  const auto budget = SplitDescriptors(row.limit, row.needs);
  ASSERT_TRUE(budget.ok()) << budget.status();
  EXPECT_EQ(budget->callers, row.callers);
  EXPECT_EQ(budget->upstreams, row.upstreams);
  EXPECT_EQ(budget->callers + budget->upstreams + budget->metrics + budget->reserve, row.limit);
  EXPECT_GE(budget->reserve, row.needs.own);
  EXPECT_EQ(budget->metrics, row.needs.metrics);
}

INSTANTIATE_TEST_SUITE_P(
    Limits, Split,
    testing::Values(SplitCase{"OneHundred", 100, {.own = 40, .metrics = 16}, 21, 21},
                    SplitCase{"TheUsualSoftLimit", 1024, {.own = 40, .metrics = 16}, 474, 474},
                    SplitCase{"Containers", 1048576, {.own = 40, .metrics = 16}, 513774, 513775},
                    SplitCase{"CallersAsAskedFor", 1024, {.own = 40, .metrics = 16, .callers = 100}, 100, 848},
                    SplitCase{"MoreThanHalfForCallers", 100, {.own = 40, .metrics = 16, .callers = 34}, 34, 8},
                    SplitCase{"WithoutUpstreams", 100, {.own = 40, .metrics = 16, .upstreams = false}, 42, 0},
                    SplitCase{"TheLeast", 73, {.own = 40, .metrics = 16}, 8, 8}),
    [](const auto& info) { return info.param.name; });

TEST(DescriptorBudget, TooLowALimitIsToldWithWhatWouldDo) {
  const auto budget = SplitDescriptors(64, {.own = 40, .metrics = 16});
  EXPECT_EQ(budget.status().message(),
            "the limit of file descriptors (ulimit -n) is 64, too low for this program; at least 73 are needed");
  EXPECT_TRUE(SplitDescriptors(73, {.own = 40, .metrics = 16}).ok());
}

TEST(DescriptorBudget, MoreConnectionsThanThereAreDescriptorsAreToldWithTheFlag) {
  const DescriptorNeeds needs{.own = 40, .metrics = 16, .callers = 5000};
  const auto budget = SplitDescriptors(1024, needs);
  EXPECT_EQ(budget.status().message(),
            "the limit of file descriptors (ulimit -n) is 1,024, too low for --max-connections 5000; at least 5,167 are "
            "needed");
  EXPECT_TRUE(SplitDescriptors(5167, needs).ok());
  EXPECT_FALSE(SplitDescriptors(5166, needs).ok());
}

TEST(DescriptorBudget, IsOneLine) {
  const auto budget = SplitDescriptors(20000, {.own = 40, .metrics = 16});
  EXPECT_EQ(budget->ToString(),
            "descriptors: 20,000 may be open: 9,772 for callers, 9,772 for upstream connections, 16 for metrics, 440 in "
            "reserve");
  const auto without = SplitDescriptors(1000, {.own = 40, .metrics = 16, .upstreams = false});
  EXPECT_EQ(without->ToString(), "descriptors: 1,000 may be open: 924 for callers, 16 for metrics, 60 in reserve");
}

TEST(DescriptorBudget, NumbersHaveTheirThousandsApart) {
  EXPECT_EQ(WithThousands(0), "0");
  EXPECT_EQ(WithThousands(999), "999");
  EXPECT_EQ(WithThousands(1000), "1,000");
  EXPECT_EQ(WithThousands(1234567), "1,234,567");
  EXPECT_EQ(WithThousands(-123), "-123");
}

TEST(DescriptorBudget, CountsWhatIsOpen) {
  const int64_t before = CountOpenDescriptors();
  const int fd = open("/dev/null", O_RDONLY);
  EXPECT_EQ(CountOpenDescriptors(), before + 1);
  close(fd);
  EXPECT_EQ(CountOpenDescriptors(), before);
  EXPECT_FALSE(NoDescriptorLeft());
}

TEST(DescriptorShare, GivesNoMoreThanThereAre) {
  DescriptorShare share(2);
  EXPECT_TRUE(share.TryTake());
  EXPECT_TRUE(share.TryTake());
  EXPECT_FALSE(share.TryTake());
  EXPECT_EQ(share.in_use(), 2);
  share.Give();
  EXPECT_TRUE(share.TryTake());
}

constexpr absl::Time kStart = absl::UnixEpoch();

TEST(Shortage, TellsItsBeginningAndItsEndOnce) {
  Shortage shortage("new callers wait", "caller");
  EXPECT_EQ(shortage.Look(kStart), "");
  EXPECT_EQ(shortage.Meet(kStart, 9870, 10000, ""), "descriptors: 9,870 of 10,000 in use; new callers wait");
  EXPECT_EQ(shortage.line(), "descriptors: 9,870 of 10,000 in use; new callers wait");
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(shortage.Meet(kStart + absl::Seconds(4), 9900, 10000, ""), "");
    shortage.Refuse();
  }
  EXPECT_EQ(shortage.Look(kStart + absl::Milliseconds(4999)), "");
  EXPECT_EQ(shortage.Look(kStart + absl::Seconds(5)), "descriptors: well again after 4 s, 12 callers were refused");
  EXPECT_EQ(shortage.line(), "");
  EXPECT_EQ(shortage.Look(kStart + absl::Seconds(9)), "");
}

TEST(Shortage, NamesItsShareAndCountsAnew) {
  Shortage shortage("calls are refused", "call");
  EXPECT_EQ(shortage.Meet(kStart, 21, 21, "for upstream connections"),
            "descriptors: 21 of 21 for upstream connections in use; calls are refused");
  shortage.Refuse();
  EXPECT_EQ(shortage.Look(kStart + absl::Seconds(1)), "descriptors: well again after 0 ms, 1 call was refused");
  EXPECT_NE(shortage.Meet(kStart + absl::Seconds(2), 21, 21, ""), "");
  EXPECT_EQ(shortage.Look(kStart + absl::Seconds(3)), "descriptors: well again after 0 ms, 0 calls were refused");
}

TEST(DescriptorGuard, SilentConnectionsAreCountedAndNoShortage) {
  std::vector<std::string> log;
  DescriptorGuard guard({.limit = 100, .callers = 20, .upstreams = 20}, [&](const std::string& line) { log.push_back(line); });
  guard.CallerRefused(RefusalCause::kSilent);
  EXPECT_TRUE(log.empty());
  EXPECT_TRUE(guard.Shortages().empty());
  EXPECT_EQ(guard.CallerFigures().refused_silent, 1);
  guard.CallerRefused(RefusalCause::kBudget);
  guard.UpstreamRefused(RefusalCause::kSystem);
  EXPECT_EQ(guard.Shortages(), log);
  ASSERT_EQ(log.size(), 2u);
  EXPECT_EQ(log[0], "descriptors: 0 of 20 for callers in use; new callers wait");
  EXPECT_EQ(guard.CallerFigures().refused_budget, 1);
  EXPECT_EQ(guard.UpstreamFigures().refused_system, 1);
}

}  // namespace
}  // namespace sluice
