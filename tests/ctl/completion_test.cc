// What Tab offers, by the program itself and through a real bash.
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/ctl/run_ctl.h"

namespace sluice::ctl {
namespace {

using ::testing::HasSubstr;

class CompletionTest : public RunCtlTest {
 protected:
  // On one line.
  std::string Offered(const std::string& line) {
    EXPECT_EQ(RunAlone({"__complete", line}), ExitCode::kOk);
    EXPECT_EQ(err_, "");
    const std::vector<std::string> words = absl::StrSplit(out_, '\n', absl::SkipEmpty());
    return absl::StrJoin(words, " ");
  }
};

TEST_F(CompletionTest, OffersCommandsOptionsAndTheirValues) {
  EXPECT_EQ(Offered("sluicectl rol"), "rollback");
  EXPECT_EQ(Offered("sluicectl breaker t"), "trip");
  EXPECT_EQ(Offered("sluicectl apply --dry"), "--dry-run");
  EXPECT_EQ(Offered("sluicectl apply --dry-run=s"), "--dry-run=server");
  EXPECT_EQ(Offered("sluicectl status --no-w"), "--no-wait");
  EXPECT_EQ(Offered("sluicectl status -o j"), "json");
  EXPECT_EQ(Offered("sluicectl apply -f "), ":files");
  EXPECT_EQ(Offered("sluicectl backup "), ":files");
  EXPECT_EQ(Offered("sluicectl completion "), "bash fish zsh");
  EXPECT_EQ(Offered("sluicectl __"), "");
  EXPECT_EQ(Offered("sluicectl frob "), "");
}

TEST_F(CompletionTest, OffersNamesThatTheControlPlaneKnows) {
  Given();
  *admin_.nodes.add_nodes() = NodeIn("edge-1", v1::NODE_STATE_LOST, 1);
  const std::string at = "sluicectl --server " + admin_.address();
  EXPECT_EQ(Offered(at + " set route/"), "route/chat");
  EXPECT_EQ(Offered(at + " get rou"), "route route/chat");
  EXPECT_EQ(Offered(at + " get routes/c"), "routes/chat");
  EXPECT_EQ(Offered(at + " get route c"), "chat");
  EXPECT_EQ(Offered(at + " node forget "), "edge-1");
  EXPECT_EQ(Offered(at + " config --node "), "edge-1");
  EXPECT_EQ(Offered(at + " rollback --to "), "1");
}

TEST_F(CompletionTest, AsksTheServerOfTheLinesContext) {
  Given();
  ASSERT_EQ(RunAlone({"context", "set", "here", "--server", admin_.address()}), ExitCode::kOk);
  ASSERT_EQ(RunAlone({"context", "set", "away", "--server", "127.0.0.1:1"}), ExitCode::kOk);
  EXPECT_EQ(Offered("sluicectl set ro"), "route/chat");
  EXPECT_EQ(Offered("sluicectl --context away set ro"), "");
  EXPECT_EQ(Offered("sluicectl context use h"), "here");
  EXPECT_EQ(Offered("sluicectl --context "), "away here");
}

TEST_F(CompletionTest, ScriptsAreAcceptedByTheirShells) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    ASSERT_EQ(RunAlone({"completion", shell}), ExitCode::kOk);
    EXPECT_THAT(out_, HasSubstr("__complete"));
    const std::string script = File("completion." + shell, out_);
    if (std::system(("command -v " + shell + " > /dev/null").c_str()) != 0) continue;
    EXPECT_EQ(std::system((shell + " -n " + script).c_str()), 0) << shell;
  }
}

// COMPREPLY of a bash that reads the script; `sluicectl` is the real program.
class BashTest : public CompletionTest {
 protected:
  std::string Reply(const std::string& line) {
    EXPECT_EQ(RunAlone({"completion", "bash"}), ExitCode::kOk);
    const std::string script = File("completion.bash", out_);
    // A file, so that no quoting is needed.
    const std::string use = File("use.bash", "PATH=" SLUICE_BIN ":$PATH\n. " + script + "\nCOMP_LINE='" + line +
                                                 "'\nCOMP_POINT=${#COMP_LINE}\n_sluicectl\n"
                                                 "printf '%s ' \"${COMPREPLY[@]}\" > " + Path("reply") + "\n");
    EXPECT_EQ(std::system(("cd " + folder_ + " && HOME=" + folder_ + " bash " + use).c_str()), 0);
    return TextOf(Path("reply"));
  }
};

TEST_F(BashTest, CompletesCommandsAndNames) {
  Given();
  EXPECT_EQ(Reply("sluicectl rollb"), "rollback ");
  EXPECT_EQ(Reply("sluicectl --server " + admin_.address() + " set route/"), "route/chat ");
}

TEST_F(BashTest, LeavesOutWhatBashTakesForAWordOfItsOwn) {
  EXPECT_EQ(Reply("sluicectl apply --dry-run=se"), "server ");
}

TEST_F(BashTest, CompletesFiles) {
  File("policy one.yaml", "");
  EXPECT_EQ(Reply("sluicectl apply -f poli"), "policy one.yaml ");
}

}  // namespace
}  // namespace sluice::ctl
