// What every command of sluicectl has in common when it prints: the forms, what
// others' text may not do, and what happens when nothing can be written.
#include "controlplane/ctl/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "controlplane/ctl/ctl.h"
#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"
#include "proto/policy/duration_text.h"
#include "proto/terminal/fd_stream.h"
#include "tests/ctl/fake_admin.h"
#include "yaml-cpp/yaml.h"

namespace sluice::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kPolicy[] = R"(kind: Upstream
name: openai
labels: {team: "\e[2Jx\nrevision 9\u202e\u200b"}
format: OPENAI
endpoints: [{url: "https://api.openai.com/v1"}]
---
kind: Route
name: chat
match: {model: chat}
targets: [{upstream: openai, model: "m\e]0;title\a"}]
---
kind: RetryPolicy
name: default
max_attempts: 3
)";

// All that a terminal may act on.
constexpr char kHostile[] = "\x1b[31m\x9b\xc2\x9b\r\x07\u202e\u2066\u200b\xff";

class OutputTest : public ::testing::Test {
 protected:
  OutputTest() {
    char pattern[] = "/tmp/output_test.XXXXXX";
    folder_ = mkdtemp(pattern);
    std::ofstream(folder_ + "/policy.yaml") << kPolicy;
    Run({"apply", "-f", folder_ + "/policy.yaml", "--author", "ann\nbob\x1b[2J", "--reason", "\x1b[31mred"});
    EXPECT_EQ(err_, "");
    v1::NodeStatus& node = *admin_.nodes.add_nodes();
    node.set_node_id("edge-1");
    node.set_state(v1::NODE_STATE_ACKED);
    node.set_acked_revision(1);
    node.set_last_error("\x1b[31m\u202e\nedge-2  9");
    node.mutable_health()->set_open_calls(9007199254740993);
    *node.mutable_health()->mutable_uptime() = ToProto(absl::Minutes(90));
    v1::NodeAnswer& answer = *admin_.command_answer.add_answers();
    answer.set_node_id("edge-1");
    v1::BreakerStatus& breaker = *answer.mutable_answer()->mutable_breakers()->add_breakers();
    breaker.set_upstream("openai");
    breaker.set_endpoint("primary");
    breaker.set_state(v1::BREAKER_STATE_OPEN);
    breaker.mutable_last_opening()->set_reason("\x1b[31m\nby ann");
    admin_.info.emplace().set_version("9.9\x1b[2J");
  }
  ~OutputTest() override { std::filesystem::remove_all(folder_); }

  ExitCode Run(std::vector<std::string> args, std::ostream* to = nullptr) {
    std::ostringstream out, err;
    args.insert(args.begin(), {"--server", admin_.address()});
    CtlIo io{to == nullptr ? out : *to, err};
    io.now = [] { return absl::UnixEpoch() + absl::Minutes(6); };
    io.zone = absl::UTCTimeZone();
    const ExitCode code = RunCtl(args, io);
    out_ = out.str();
    err_ = err.str();
    return code;
  }

  testing::FakeAdmin admin_;
  std::string folder_;
  std::string out_;
  std::string err_;
};

// Anything but line breaks, tabs and what is printed as it is.
bool HasRaw(const std::string& text) {
  for (const unsigned char c : text) {
    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F) return true;
  }
  for (const char* hidden : {"\u202e", "\u2066", "\u200b", "\u009b", "\xff"}) {
    if (text.find(hidden) != std::string::npos) return true;
  }
  return false;
}

bool IsJson(const std::string& text) {
  google::protobuf::Value value;
  return google::protobuf::util::JsonStringToMessage(text, &value).ok();
}

struct CommandRow {
  const char* name;
  std::vector<std::string> args;
};

const CommandRow kCommands[] = {
    {"get", {"get"}},
    {"getOne", {"get", "upstream/openai"}},
    {"getNodes", {"get", "nodes"}},
    {"describe", {"describe", "upstream/openai"}},
    {"describeNode", {"describe", "node/edge-1"}},
    {"status", {"status"}},
    {"history", {"history"}},
    {"breakerList", {"breaker", "list"}},
    {"breakerExplain", {"breaker", "explain", "openai"}},
    {"breakerTrip", {"breaker", "trip", "openai"}},
    {"breakerReset", {"breaker", "reset", "openai"}},
    {"top", {"top"}},
    {"config", {"config"}},
    {"version", {"version"}},
    {"wait", {"wait", "node/edge-1"}},
    {"waitRevision", {"wait", "--revision", "1"}},
    {"setDryRun", {"set", "retrypolicy/default", "max_attempts=2", "--dry-run"}},
    {"explain", {"explain", "route"}},
    {"diff", {"diff", "--from", "1"}},
};

class EveryCommandTest : public OutputTest, public ::testing::WithParamInterface<CommandRow> {
 protected:
  ExitCode RunWith(const std::vector<std::string>& more, std::ostream* to = nullptr) {
    std::vector<std::string> args = GetParam().args;
    args.insert(args.end(), more.begin(), more.end());
    return Run(args, to);
  }
};

TEST_P(EveryCommandTest, PrintsOneDocumentAsJson) {
  RunWith({"-o", "json"});
  EXPECT_TRUE(IsJson(out_)) << out_;
  EXPECT_FALSE(HasRaw(out_)) << out_;
  EXPECT_THAT(out_, Not(HasSubstr("_STATE_")));
}

TEST_P(EveryCommandTest, PrintsTheSameAsYaml) {
  RunWith({"-o", "yaml"});
  EXPECT_FALSE(HasRaw(out_)) << out_;
  EXPECT_FALSE(YAML::LoadAll(out_).empty()) << out_;
}

TEST_P(EveryCommandTest, LetsNothingRawThrough) {
  for (const char* form : {"table", "wide", "name"}) {
    RunWith({"-o", form});
    EXPECT_FALSE(HasRaw(out_)) << out_;
    EXPECT_FALSE(HasRaw(err_)) << err_;
    // Nobody else's text begins a line.
    EXPECT_THAT("\n" + out_, Not(HasSubstr("\nrevision 9"))) << out_;
    EXPECT_THAT("\n" + out_, Not(HasSubstr("\nedge-2"))) << out_;
    EXPECT_THAT("\n" + out_, Not(HasSubstr("\nbob"))) << out_;
    EXPECT_THAT("\n" + out_, Not(HasSubstr("\nby ann"))) << out_;
  }
}

TEST_P(EveryCommandTest, SaysThatTheDiskIsFull) {
  for (const char* form : {"table", "json", "name"}) {
    FdStream full(open("/dev/full", O_WRONLY));
    const ExitCode code = RunWith({"-o", form}, &full);
    // Some print nothing in some form; then nothing is lost.
    if (WriteErrorOf(full) == 0) continue;
    EXPECT_EQ(code, ExitCode::kNotWritten) << form;
    EXPECT_THAT(err_, HasSubstr("sluicectl: cannot write the output: No space left on device\n"));
  }
}

INSTANTIATE_TEST_SUITE_P(Commands, EveryCommandTest, ::testing::ValuesIn(kCommands),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_F(OutputTest, HelpVersionAndScriptsSayThatTheDiskIsFullToo) {
  for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
           {"--help"}, {"--version"}, {"get", "--help"}, {"help"}, {"help", "get"}, {"completion", "bash"}, {"version", "--client"}}) {
    FdStream full(open("/dev/full", O_WRONLY));
    EXPECT_EQ(Run(args, &full), ExitCode::kNotWritten) << args[0];
    EXPECT_THAT(err_, HasSubstr("No space left on device"));
  }
}

TEST_F(OutputTest, WhoStoppedReadingHearsNothing) {
  signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  FdStream out(ends[1]);
  EXPECT_EQ(Run({"get"}, &out), ExitCode::kBrokenPipe);
  EXPECT_EQ(err_, "");
  close(ends[1]);
}

TEST_F(OutputTest, AWatchEndsWhenNobodyCanSeeIt) {
  FdStream full(open("/dev/full", O_WRONLY));
  EXPECT_EQ(Run({"status", "-w", "--interval", "100ms"}, &full), ExitCode::kNotWritten);
}

TEST_F(OutputTest, MessagesHaveTheWordsOfPolicies) {
  ASSERT_EQ(Run({"status", "-o", "json"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("\"state\": \"ACKED\""));
  EXPECT_THAT(out_, HasSubstr("\"uptime\": \"1h30m\""));
  EXPECT_THAT(out_, HasSubstr("\"open_calls\": 9007199254740993,"));
  // What is not set is there, so that jq needs no "//".
  EXPECT_THAT(out_, HasSubstr("\"errors_per_minute\": 0,"));
  EXPECT_THAT(out_, HasSubstr("\"rival_peer\": \"\""));
  ASSERT_EQ(Run({"history", "-o", "json"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("\"created\": \"1970-01-01T00:01:00Z\""));
  EXPECT_THAT(out_, HasSubstr("\"action\": \"CREATED\""));
}

TEST_F(OutputTest, SeveralResourcesAreAListInJsonAndDocumentsInYaml) {
  ASSERT_EQ(Run({"get", "-o", "json"}), ExitCode::kOk);
  EXPECT_EQ(out_.front(), '[');
  ASSERT_EQ(Run({"get", "-o", "yaml"}), ExitCode::kOk);
  EXPECT_EQ(YAML::LoadAll(out_).size(), 3u);
  ASSERT_EQ(Run({"get", "route/chat", "-o", "json"}), ExitCode::kOk);
  EXPECT_EQ(out_.front(), '{');
  ASSERT_EQ(Run({"get", "fallbacks", "-o", "json"}), ExitCode::kOk);
  EXPECT_EQ(out_, "[]\n");
}

TEST_F(OutputTest, WhatWasEscapedReadsBackAsItWas) {
  for (const char* form : {"yaml", "json"}) {
    ASSERT_EQ(Run({"get", "upstream/openai", "-o", form}), ExitCode::kOk);
    EXPECT_EQ(YAML::Load(out_)["labels"]["team"].as<std::string>(), "\x1b[2Jx\nrevision 9\u202e\u200b") << out_;
  }
}

TEST_F(OutputTest, ErrorsHaveTheirFormOnStandardError) {
  EXPECT_EQ(Run({"get", "route/none", "-o", "json"}), ExitCode::kNotFound);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(err_,
            "{\n  \"error\": {\n    \"code\": \"NOT_FOUND\",\n    \"exit_code\": 4,\n"
            "    \"message\": \"route/none does not exist\",\n    \"violations\": []\n  }\n}\n");
  EXPECT_EQ(Run({"get", "route/none", "-o", "yaml"}), ExitCode::kNotFound);
  EXPECT_EQ(err_, "error:\n  code: NOT_FOUND\n  exit_code: 4\n  message: \"route/none does not exist\"\n  violations: []\n");
}

TEST_F(OutputTest, UsageErrorsHaveTheFormThatWasAskedFor) {
  EXPECT_EQ(Run({"status", "--wach", "-ojson"}), ExitCode::kUsage);
  EXPECT_TRUE(IsJson(err_)) << err_;
  EXPECT_THAT(err_, HasSubstr("\"code\": \"USAGE\""));
  EXPECT_EQ(Run({"--server", "https://x", "status", "--output=json"}), ExitCode::kUsage);
  EXPECT_TRUE(IsJson(err_)) << err_;
}

TEST_F(OutputTest, EveryPlaceThatIsWrongIsAViolation) {
  std::ofstream(folder_ + "/bad.yaml") << "kind: RetryPolicy\nname: x\nmax_attempts: 0\n";
  EXPECT_EQ(Run({"validate", "-f", folder_ + "/bad.yaml", "-o", "json"}), ExitCode::kInvalidPolicy);
  EXPECT_THAT(err_, HasSubstr("\"code\": \"INVALID_POLICY\""));
  EXPECT_THAT(err_, HasSubstr("bad.yaml\",\n        \"line\": 3,\n        \"resource\": \"retrypolicy/x\",\n"
                              "        \"path\": \"max_attempts\""));
}

TEST_F(OutputTest, ADataPlaneThatFailsIsPartOfTheError) {
  v1::NodeAnswer& answer = *admin_.command_answer.add_answers();
  answer.set_node_id("edge-2");
  answer.mutable_answer()->set_code(grpc::StatusCode::INTERNAL);
  answer.mutable_answer()->set_message("broken");
  EXPECT_EQ(Run({"breaker", "list", "-o", "json"}), ExitCode::kNodeRefused);
  EXPECT_TRUE(IsJson(out_));
  EXPECT_THAT(err_, HasSubstr("\"node\": \"edge-2\""));
  EXPECT_THAT(err_, HasSubstr("\"message\": \"broken\""));
}

TEST_F(OutputTest, TextOfAHostileServerIsEscapedInErrors) {
  admin_.refusal = grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, std::string(kHostile) + "\nrevision 9 · acked");
  EXPECT_EQ(Run({"delete", "route/chat"}), ExitCode::kConflict);
  EXPECT_FALSE(HasRaw(err_)) << err_;
  EXPECT_THAT(err_, HasSubstr("\\x1b[31m"));
  EXPECT_THAT(err_, Not(HasSubstr("\nrevision 9")));
  EXPECT_EQ(Run({"delete", "route/chat", "-o", "json"}), ExitCode::kConflict);
  EXPECT_TRUE(IsJson(err_)) << err_;
}

TEST_F(OutputTest, WhatWasTypedIsEscapedInErrors) {
  for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{{std::string("x") + kHostile},
                                                                                    {"get", std::string("x/") + kHostile},
                                                                                    {"get", "-o", kHostile},
                                                                                    {"apply", "-f", kHostile},
                                                                                    {"help", kHostile}}) {
    Run(args);
    EXPECT_NE(err_, "");
    EXPECT_FALSE(HasRaw(err_)) << err_;
  }
}

TEST_F(OutputTest, ColoursGoPastTheEscapes) {
  std::ostringstream out, err;
  CtlIo io{out, err};
  io.color = true;
  RunCtl({"--server", admin_.address(), "status"}, io);
  EXPECT_THAT(out.str(), HasSubstr("\x1b[32macked\x1b[0m"));
  EXPECT_THAT(out.str(), HasSubstr("\\x1b[31m\\u202e\\nedge-2  9"));
}

}  // namespace
}  // namespace sluice::ctl
