// deploy/prometheus: the alerts fire when they should, and watch metrics that
// there are.
#include <gtest/gtest.h>
#include <prometheus/metric_family.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <memory>
#include <set>
#include <sstream>
#include <string>

#include "proto/listen/descriptor_collector.h"
#include "proto/log/log_collector.h"
#include "proto/tls/renewal_collector.h"
#include "server/telemetry/call_metrics.h"
#include "server/telemetry/collectors.h"
#include "server/telemetry/resilience_collector.h"

namespace sluice {
namespace {

const std::string kTop = std::string(SLUICE_TESTDATA) + "/../..";
const std::string kFolder = kTop + "/deploy/prometheus";

std::string Read(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::set<std::string> Matches(const std::string& text, const std::regex& pattern) {
  std::set<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it) found.insert((*it)[1].str());
  return found;
}

bool HasPromtool() { return std::system("command -v promtool > /dev/null") == 0; }

void ExpectPromtool(const std::string& arguments) {
  FILE* promtool = popen(("cd " + kFolder + " && promtool " + arguments + " 2>&1").c_str(), "r");
  std::string output;
  char buffer[1024];
  while (fgets(buffer, sizeof(buffer), promtool) != nullptr) output += buffer;
  EXPECT_EQ(pclose(promtool), 0) << output;
}

// Names as a scrape has them; histograms also with what they are made of.
std::set<std::string> ExportedByADataPlane() {
  std::vector<prometheus::MetricFamily> families;
  const auto add = [&](const prometheus::Collectable& collectable) {
    for (auto& family : collectable.Collect()) families.push_back(std::move(family));
  };
  add(CallMetricsCollector());
  add(ConfigCollector([] { return ConfigStatus{}; }));
  add(ConnectionCollector([] { return std::vector<ConnectionFigures>{}; }));
  add(DescriptorCollector(std::make_shared<DescriptorGuard>(DescriptorBudget{})));
  add(LogCollector("sluice", {LineSort::kProgram, LineSort::kCalls}, [] { return LineWriterFigures{}; }));
  add(RenewalCollector([] {
    return std::vector<RenewalFigures>{{"listener", 0, absl::UnixEpoch(), absl::UnixEpoch()}};
  }));
  add(ResilienceCollector([] {
    ResilienceFigures figures;
    figures.idempotency.emplace();
    figures.load.emplace();
    return figures;
  }));
  std::set<std::string> names;
  for (const auto& family : families) {
    names.insert(family.name);
    if (family.type == prometheus::MetricType::Histogram) names.insert(family.name + "_bucket");
  }
  return names;
}

TEST(AlertRulesTest, PromtoolFindsNothingWrong) {
  ASSERT_TRUE(HasPromtool()) << "missing: deploy/install-packages --tests";
  ExpectPromtool("check rules alerts.yml");
  ExpectPromtool("check config scrape.yml");
}

TEST(AlertRulesTest, RowB7AlertsFireWhenTheyShould) {
  ASSERT_TRUE(HasPromtool()) << "missing: deploy/install-packages --tests";
  ExpectPromtool("test rules alerts_test.yml");
}

TEST(AlertRulesTest, EveryAlertHasATestInWhichItFires) {
  const std::string tests = Read(kFolder + "/alerts_test.yml");
  const auto alerts = Matches(Read(kFolder + "/alerts.yml"), std::regex("alert: (\\w+)"));
  ASSERT_GT(alerts.size(), 20u);
  for (const std::string& alert : alerts) {
    EXPECT_TRUE(std::regex_search(tests, std::regex("alertname: " + alert + "\n +eval_time: \\w+\n +exp_alerts:\n")))
        << alert;
  }
}

TEST(AlertRulesTest, EveryMetricThatAnAlertWatchesIsThere) {
  const std::set<std::string> data_plane = ExportedByADataPlane();
  const std::string control_plane = Read(kTop + "/controlplane/telemetry/metrics.cc");
  // In expressions, and where an annotation says what to look at.
  const auto watched = Matches(Read(kFolder + "/alerts.yml"), std::regex("\\b((?:sluice|gen_ai_server)_\\w+)"));
  ASSERT_GT(watched.size(), 20u);
  for (const std::string& name : watched) {
    const bool there = data_plane.count(name) != 0 || control_plane.find('"' + name + '"') != std::string::npos;
    EXPECT_TRUE(there) << name;
  }
}

TEST(AlertRulesTest, EveryMetricIsExplained) {
  const std::string readme = Read(kFolder + "/README.md");
  for (const std::string& name : ExportedByADataPlane()) {
    if (name.find("_bucket") != std::string::npos) continue;
    EXPECT_NE(readme.find('`' + name + '`'), std::string::npos) << name;
  }
}

TEST(AlertRulesTest, EveryMetricThatIsExplainedIsThere) {
  std::set<std::string> there = ExportedByADataPlane();
  // Told only once they are known, or of the process.
  there.insert({"sluice_config_push_latency_seconds", "sluice_build_info"});
  const auto rows = Matches(Read(kFolder + "/README.md"), std::regex("`((?:sluice|gen_ai_(?:client|server))_\\w+)`"));
  for (const std::string& name : rows) {
    EXPECT_TRUE(name == "sluice_controlplane_" || there.count(name) != 0) << name;
  }
}

}  // namespace
}  // namespace sluice
