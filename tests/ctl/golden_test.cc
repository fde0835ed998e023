// What a terminal of 80 and of 120 columns shows, compared with
// tests/testdata/terminal/*.txt. After a change that is meant, run with
// SLUICE_WRITE_GOLDENS=1 and read the difference.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "controlplane/ctl/ctl.h"
#include "gtest/gtest.h"
#include "proto/policy/duration_text.h"
#include "proto/terminal/safe_text.h"
#include "tests/ctl/fake_admin.h"

namespace sluice::ctl {
namespace {

// 14:02:11 of the second day: what was made in the first minutes has a date.
const absl::Time kNow = absl::UnixEpoch() + absl::Hours(38) + absl::Minutes(2) + absl::Seconds(11);

constexpr char kPolicy[] = R"(kind: Upstream
name: openai
labels: {team: search, owner: "日本支社"}
format: OPENAI
credential: env:OPENAI_API_KEY
endpoints:
- name: primary
  url: https://api.openai.com/v1
- name: backup
  url: https://backup.example.com/v1
  priority: 1
---
kind: Route
name: chat
match: {model: chat}
targets: [{upstream: openai, model: gpt-4o-mini}]
retry: default
---
kind: RetryPolicy
name: default
max_attempts: 3
)";

v1::NodeStatus Node(const std::string& id, v1::NodeState state, uint64_t revision, absl::Duration since) {
  v1::NodeStatus node;
  node.set_node_id(id);
  node.set_state(state);
  node.set_acked_revision(revision);
  *node.mutable_since() = ToProto(kNow - since);
  node.set_source(v1::CONFIG_SOURCE_CONTROL_PLANE);
  node.set_version("0.1.0");
  node.set_peer("ipv4:10.0.0.7:40112");
  node.set_epoch("6f1c9a52e07b4d18");
  node.mutable_health()->set_calls_per_second(1200);
  node.mutable_health()->set_open_calls(340);
  node.mutable_health()->set_errors_per_minute(0.2);
  *node.mutable_health()->mutable_uptime() = ToProto(absl::Hours(30));
  *node.mutable_health_age() = ToProto(absl::Seconds(2));
  return node;
}

// One of each sort of trouble.
v1::ListNodesResponse Nodes() {
  v1::ListNodesResponse nodes;
  nodes.set_revision(7);
  *nodes.add_nodes() = Node("edge-1", v1::NODE_STATE_ACKED, 7, absl::Minutes(2));
  v1::NodeStatus& refused = *nodes.add_nodes();
  refused = Node("edge-2", v1::NODE_STATE_NACKED, 6, absl::Minutes(2));
  refused.set_last_error("upstream/openai: credential: env OPENAI_API_KEY is not set here");
  v1::NodeStatus& lost = *nodes.add_nodes();
  lost = Node("edge-3", v1::NODE_STATE_LOST, 7, absl::Hours(30));
  v1::NodeStatus& other = *nodes.add_nodes();
  other = Node("edge-4", v1::NODE_STATE_EPOCH_MISMATCH, 12, absl::Hours(3));
  other.set_epoch("0b77d1fe33c24a90");
  other.set_last_error(
      "runs revision 12 of another store; sluicectl apply --adopt goes on from what it runs, --new-epoch replaces it");
  *nodes.add_nodes() = Node("edge-5", v1::NODE_STATE_GONE, 7, absl::Seconds(40));
  v1::NodeStatus& shortage = *nodes.add_nodes();
  shortage = Node("東京-1", v1::NODE_STATE_ACKED, 7, absl::Hours(5));
  shortage.mutable_health()->add_shortages("descriptors: 9,870 of 10,000 in use; new callers wait");
  v1::NodeStatus& twin = *nodes.add_nodes();
  twin = Node("twin", v1::NODE_STATE_ACKED, 7, absl::Seconds(9));
  twin.set_rival_peer("ipv4:10.0.0.9:51000");
  return nodes;
}

v1::BreakerStatus Breaker(const std::string& endpoint, v1::BreakerState state) {
  v1::BreakerStatus breaker;
  breaker.set_upstream("openai");
  breaker.set_endpoint(endpoint);
  breaker.set_state(state);
  *breaker.mutable_since() = ToProto(kNow - absl::Seconds(14));
  *breaker.mutable_age() = ToProto(absl::Seconds(14));
  *breaker.mutable_window()->mutable_time_span() = ToProto(absl::Seconds(60));
  breaker.mutable_window()->set_calls(52);
  breaker.mutable_window()->set_failures(31);
  breaker.mutable_window()->set_failure_percent(59.6);
  breaker.mutable_window()->set_min_calls(20);
  breaker.mutable_window()->set_max_failure_percent(50);
  breaker.mutable_probes()->set_permits(3);
  if (state != v1::BREAKER_STATE_OPEN) return breaker;
  *breaker.mutable_open_until() = ToProto(kNow + absl::Seconds(6));
  *breaker.mutable_open_for() = ToProto(absl::Seconds(20));
  breaker.set_times_in_a_row(3);
  breaker.mutable_last_opening()->set_reason("31 of 52 calls failed in the last 60 s (59.6 % >= 50 %)");
  v1::FailureCount* failure = breaker.mutable_last_opening()->add_by_failure();
  failure->set_failure("503");
  failure->set_count(31);
  return breaker;
}

v1::CommandResponse Breakers() {
  v1::CommandResponse response;
  for (const char* id : {"edge-1", "edge-2"}) {
    v1::NodeAnswer& node = *response.add_answers();
    node.set_node_id(id);
    v1::BreakerList& list = *node.mutable_answer()->mutable_breakers();
    *list.add_breakers() = Breaker("backup", v1::BREAKER_STATE_CLOSED);
    *list.add_breakers() = Breaker("primary", v1::BREAKER_STATE_OPEN);
  }
  return response;
}

v1::CommandResponse Live() {
  v1::CommandResponse response;
  v1::NodeAnswer& node = *response.add_answers();
  node.set_node_id("edge-1");
  v1::LiveFigures& live = *node.mutable_answer()->mutable_live();
  *live.mutable_window() = ToProto(absl::Seconds(10));
  for (const char* name : {"backup", "primary"}) {
    v1::EndpointFigures& figures = *live.add_endpoints();
    const bool open = std::string(name) == "primary";
    figures.set_upstream("openai");
    figures.set_endpoint(name);
    figures.set_breaker(open ? v1::BREAKER_STATE_OPEN : v1::BREAKER_STATE_CLOSED);
    *figures.mutable_breaker_age() = ToProto(absl::Seconds(14));
    figures.set_attempts(open ? 0 : 8400);
    figures.set_errors(open ? 0 : 34);
    figures.set_in_flight(open ? 0 : 212);
    figures.set_retries(open ? 0 : 30);
    if (open) continue;
    v1::FirstTokenBucket& bucket = *figures.add_first_token();
    *bucket.mutable_within() = ToProto(absl::Milliseconds(310));
    bucket.set_attempts(8400);
  }
  return response;
}

v1::GetInfoResponse Info() {
  v1::GetInfoResponse info;
  info.set_version("0.1.0");
  info.set_epoch("6f1c9a52e07b4d18");
  info.set_revision(7);
  info.set_store("sqlite:/var/lib/sluice/sluice.db");
  *info.mutable_started() = ToProto(kNow - absl::Hours(3));
  return info;
}

struct GoldenRow {
  const char* name;
  // One after the other.
  std::vector<std::vector<std::string>> commands;
  bool color = false;
};

using Golden = std::tuple<GoldenRow, size_t>;

class TerminalGoldenTest : public ::testing::TestWithParam<Golden> {
 protected:
  TerminalGoldenTest() {
    char pattern[] = "/tmp/golden_test.XXXXXX";
    folder_ = mkdtemp(pattern);
    std::ofstream(folder_ + "/policy.yaml") << kPolicy;
    std::ostringstream unseen;
    Run({"apply", "-f", folder_ + "/policy.yaml", "--author", "anna@example.net", "--reason", "first"}, unseen, 0,
        false);
    Run({"set", "retrypolicy/default", "max_attempts=4", "--author", "bob", "--reason",
         "ein \x1b[31mroter\x1b[0m Grund"},
        unseen, 0, false);
    admin_.nodes = Nodes();
    admin_.info = Info();
  }
  ~TerminalGoldenTest() override { std::filesystem::remove_all(folder_); }

  ExitCode Run(std::vector<std::string> args, std::ostringstream& screen, size_t width, bool color) {
    admin_.command_answer = args[0] == "top" ? Live() : Breakers();
    // The last one counts.
    args.insert(args.begin(), {"--server", admin_.address()});
    CtlIo io{screen, screen};
    io.environment = [](const char*) -> const char* { return nullptr; };
    io.now = [] { return kNow; };
    io.zone = absl::UTCTimeZone();
    io.width = width;
    io.terminal = width > 0;
    io.color = color;
    return RunCtl(args, io);
  }

  // What differs from run to run is named as in the README.
  std::string Settled(const std::string& text) const {
    return absl::StrReplaceAll(text, {{admin_.address(), "127.0.0.1:8444"}, {folder_ + "/", ""}, {"\x1b", "␛"}});
  }

  testing::FakeAdmin admin_;
  std::string folder_;
};

TEST_P(TerminalGoldenTest, LooksAsItDid) {
  const auto& [row, width] = GetParam();
  std::string seen;
  for (const std::vector<std::string>& command : row.commands) {
    std::ostringstream screen;
    const ExitCode code = Run(command, screen, width, row.color);
    absl::StrAppend(&seen, "$ sluicectl ", absl::StrJoin(command, " "), "\n", Settled(screen.str()));
    if (code != ExitCode::kOk) absl::StrAppend(&seen, "[exit status ", static_cast<int>(code), "]\n");
    absl::StrAppend(&seen, "\n");
  }
  const std::string path = absl::StrCat(SLUICE_TESTDATA "/terminal/", row.name, ".", width, ".txt");
  if (std::getenv("SLUICE_WRITE_GOLDENS") != nullptr) std::ofstream(path, std::ios::binary) << seen;
  std::ifstream file(path, std::ios::binary);
  ASSERT_TRUE(file) << path;
  std::ostringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(seen, golden.str()) << path;
}

const GoldenRow kRows[] = {
    {"status", {{"status"}, {"status", "--check"}, {"status", "-o", "wide"}, {"status", "-o", "name"}}},
    {"status_colour", {{"status"}}, true},
    {"top", {{"top"}, {"top", "-o", "wide"}}},
    {"get",
     {{"get"},
      {"get", "rt"},
      {"get", "route/chat"},
      {"get", "us/openai", "route/none"},
      {"get", "upstreams", "-o", "wide"}}},
    {"describe", {{"describe", "upstream/openai"}, {"describe", "rp", "default"}, {"describe", "node/edge-4"}}},
    {"history", {{"history"}, {"history", "retrypolicy/default", "-o", "json"}}},
    {"breaker", {{"breaker", "list"}, {"breaker", "list", "-o", "wide"}, {"breaker", "explain", "openai"}}},
    {"version", {{"version"}, {"version", "-o", "yaml"}}},
    {"wait", {{"wait", "node/edge-1"}, {"wait", "node/edge-2"}, {"wait", "node", "edge-5", "--for=gone"}}},
    {"errors",
     {{"get", "rout/chat"},
      {"get", "route/none"},
      {"get", "route/none", "-o", "json"},
      {"gett"},
      {"status", "--wach"},
      {"set", "retrypolicy/default", "max_attempts=99", "-o", "yaml"},
      {"--server", "127.0.0.1:1", "get"}}},
    {"help", {{"--help"}, {"help", "get"}, {"help", "breaker", "trip"}}},
};

INSTANTIATE_TEST_SUITE_P(Terminals, TerminalGoldenTest,
                         ::testing::Combine(::testing::ValuesIn(kRows), ::testing::Values<size_t>(80, 120)),
                         [](const auto& info) {
                           return absl::StrCat(std::get<0>(info.param).name, "_", std::get<1>(info.param));
                         });

// Wide text may go on for good; what is not wide ends where the terminal does.
TEST(TerminalGoldenFilesTest, NoTableLineIsLongerThanItsTerminal) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SLUICE_TESTDATA "/terminal")) {
    const std::string name = entry.path().filename();
    if (name.find("status.") != 0 && name.find("history.") != 0 && name.find("breaker.") != 0) continue;
    const size_t width = name.find(".80.") == std::string::npos ? 120 : 80;
    std::ifstream file(entry.path());
    bool wide = false;
    for (std::string line; std::getline(file, line);) {
      if (line.rfind("$ ", 0) == 0) {
        wide = line.find(" -o ") != std::string::npos || line.find("explain") != std::string::npos;
      }
      if (wide) continue;
      EXPECT_LE(DisplayWidth(line), width) << name << ": " << line;
    }
    ++files;
  }
  EXPECT_EQ(files, 6);
}

}  // namespace
}  // namespace sluice::ctl
