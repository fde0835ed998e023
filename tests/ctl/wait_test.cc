// wait, version and help: what they ask, and what they end with.
#include <sstream>

#include "controlplane/ctl/ctl.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/ctl/fake_admin.h"

namespace sluice::ctl {
namespace {

using ::testing::HasSubstr;

class WaitTest : public ::testing::Test {
 protected:
  ExitCode Run(std::vector<std::string> args) {
    std::ostringstream out, err;
    args.insert(args.begin(), {"--server", admin_.address()});
    CtlIo io{out, err};
    io.environment = [](const char*) -> const char* { return nullptr; };
    const ExitCode code = RunCtl(args, io);
    out_ = out.str();
    err_ = err.str();
    return code;
  }

  void Node(v1::NodeState state, uint64_t revision) {
    v1::NodeStatus& node = *admin_.nodes.add_nodes();
    node.set_node_id("edge-1");
    node.set_state(state);
    node.set_acked_revision(revision);
    admin_.nodes.set_revision(9);
  }

  testing::FakeAdmin admin_;
  std::string out_;
  std::string err_;
};

TEST_F(WaitTest, ARevisionIsAwaitedAtEveryDataPlane) {
  EXPECT_EQ(Run({"wait", "--revision", "8", "--timeout", "3s"}), ExitCode::kOk) << err_;
  EXPECT_EQ(out_, "revision 8 · acked by 2/2 data planes in 41 ms\n");
  EXPECT_EQ(admin_.awaited_ms, 3000);
}

TEST_F(WaitTest, ARevisionThatIsNotThereIsNotCalledCommitted) {
  admin_.await_status = grpc::Status(grpc::StatusCode::OUT_OF_RANGE, "revision 99 does not exist; the newest is 5");
  EXPECT_EQ(Run({"wait", "--revision", "99"}), ExitCode::kNotFound);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(err_, "sluicectl: revision 99 does not exist; the newest is 5\n");
}

TEST_F(WaitTest, WithoutARevisionItIsTheNewest) {
  Node(v1::NODE_STATE_ACKED, 9);
  EXPECT_EQ(Run({"wait"}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, HasSubstr("revision 9 · acked"));
}

struct WaitRow {
  const char* name;
  v1::NodeState state;
  uint64_t revision;
  std::vector<std::string> args;
  ExitCode code;
};

class WaitForNodeTest : public WaitTest, public ::testing::WithParamInterface<WaitRow> {};

TEST_P(WaitForNodeTest, EndsAsItStands) {
  if (GetParam().state != v1::NODE_STATE_UNSPECIFIED) Node(GetParam().state, GetParam().revision);
  std::vector<std::string> args = GetParam().args;
  args.insert(args.end(), {"--timeout", "1ms"});
  EXPECT_EQ(Run(args), GetParam().code) << out_ << err_;
}

INSTANTIATE_TEST_SUITE_P(
    Rows, WaitForNodeTest,
    ::testing::Values(
        WaitRow{"Acked", v1::NODE_STATE_ACKED, 9, {"wait", "node/edge-1"}, ExitCode::kOk},
        WaitRow{"TwoWords", v1::NODE_STATE_ACKED, 9, {"wait", "node", "edge-1", "--for=acked"}, ExitCode::kOk},
        WaitRow{"Refused", v1::NODE_STATE_NACKED, 8, {"wait", "node/edge-1"}, ExitCode::kNodeRefused},
        WaitRow{"Behind", v1::NODE_STATE_PENDING, 8, {"wait", "node/edge-1"}, ExitCode::kNotAcked},
        WaitRow{"BehindButFarEnough", v1::NODE_STATE_PENDING, 8, {"wait", "node/edge-1", "--revision", "8"}, ExitCode::kOk},
        WaitRow{"Lost", v1::NODE_STATE_LOST, 9, {"wait", "node/edge-1", "--revision", "8"}, ExitCode::kNotAcked},
        WaitRow{"OfAnotherEpoch", v1::NODE_STATE_EPOCH_MISMATCH, 12, {"wait", "node/edge-1"}, ExitCode::kNotAcked},
        WaitRow{"Unknown", v1::NODE_STATE_UNSPECIFIED, 0, {"wait", "node/edge-1"}, ExitCode::kNotAcked},
        WaitRow{"Gone", v1::NODE_STATE_GONE, 9, {"wait", "node/edge-1", "--for=gone"}, ExitCode::kOk},
        WaitRow{"Forgotten", v1::NODE_STATE_UNSPECIFIED, 0, {"wait", "node/edge-1", "--for=gone"}, ExitCode::kOk},
        WaitRow{"StillThere", v1::NODE_STATE_ACKED, 9, {"wait", "node/edge-1", "--for=gone"}, ExitCode::kNotAcked},
        WaitRow{"NoNode", v1::NODE_STATE_ACKED, 9, {"wait", "edge-1"}, ExitCode::kUsage},
        WaitRow{"GoneWithoutNode", v1::NODE_STATE_ACKED, 9, {"wait", "--for=gone"}, ExitCode::kUsage},
        WaitRow{"ForWhat", v1::NODE_STATE_ACKED, 9, {"wait", "node/edge-1", "--for=happy"}, ExitCode::kUsage}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(WaitTest, VersionAsksTheControlPlane) {
  admin_.info.emplace().set_version("7.7");
  admin_.info->set_epoch("6f1c");
  admin_.info->set_revision(9);
  admin_.info->set_parent_epoch("0b77");
  admin_.info->set_parent_revision(4);
  EXPECT_EQ(Run({"version"}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, HasSubstr("control plane  7.7 at " + admin_.address()));
  EXPECT_THAT(out_, HasSubstr("epoch 6f1c, revision 9, restored from epoch 0b77, revision 4"));
  EXPECT_EQ(Run({"version", "-o", "json"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("\"epoch\": \"6f1c\""));
}

TEST_F(WaitTest, VersionSaysThatAnOlderControlPlaneDoesNotTell) {
  EXPECT_EQ(Run({"version"}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, HasSubstr("is older than this sluicectl: it does not tell its version\n"));
  EXPECT_EQ(Run({"version", "-o", "json"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("\"server\": null"));
}

TEST_F(WaitTest, VersionOfTheProgramIsToldWhereNobodyAnswers) {
  EXPECT_EQ(Run({"--server", "127.0.0.1:1", "version"}), ExitCode::kUnreachable);
  EXPECT_THAT(out_, HasSubstr("sluicectl      "));
  EXPECT_EQ(Run({"--server", "127.0.0.1:1", "version", "--client"}), ExitCode::kOk);
  EXPECT_EQ(err_, "");
}

TEST_F(WaitTest, HelpOfACommandIsWhatItsFlagShows) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"get"}, {"breaker", "trip"}, {"breaker"}}) {
    std::vector<std::string> flag = words;
    flag.push_back("--help");
    ASSERT_EQ(Run(flag), ExitCode::kOk);
    const std::string shown = out_;
    std::vector<std::string> command = words;
    command.insert(command.begin(), "help");
    EXPECT_EQ(Run(command), ExitCode::kOk);
    EXPECT_EQ(out_, shown);
  }
  EXPECT_EQ(Run({"help", "gett"}), ExitCode::kUsage);
  EXPECT_EQ(err_, "sluicectl: help: \"gett\" is no command; did you mean \"get\"?\n");
}

}  // namespace
}  // namespace sluice::ctl
