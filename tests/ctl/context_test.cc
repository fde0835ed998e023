// Contexts on the command line, and where the control plane is found.
#include "tests/ctl/run_ctl.h"

namespace sluice::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using ContextTest = RunCtlTest;

TEST_F(ContextTest, TheFirstOneIsInUseAndSaysWhereTheControlPlaneIs) {
  EXPECT_EQ(RunAlone({"context", "set", "test", "--server", admin_.address()}), ExitCode::kOk) << err_;
  EXPECT_EQ(out_, "context test made and in use (.config/sluice/config.yaml)\n");
  EXPECT_EQ(RunAlone({"status"}), ExitCode::kOk) << err_;
}

TEST_F(ContextTest, UseChoosesAndAFlagOverrulesForOnce) {
  ASSERT_EQ(RunAlone({"context", "set", "test", "--server", admin_.address()}), ExitCode::kOk) << err_;
  ASSERT_EQ(RunAlone({"context", "set", "away", "--server", "127.0.0.1:1"}), ExitCode::kOk) << err_;
  EXPECT_EQ(RunAlone({"status"}), ExitCode::kOk) << err_;
  EXPECT_EQ(RunAlone({"status", "--context", "away"}), ExitCode::kUnreachable);
  EXPECT_THAT(err_, HasSubstr("127.0.0.1:1 (from server of context away (.config/sluice/config.yaml))"));
  EXPECT_EQ(RunAlone({"context", "use", "away"}), ExitCode::kOk) << err_;
  EXPECT_EQ(RunAlone({"status"}), ExitCode::kUnreachable);
  EXPECT_EQ(RunAlone({"context", "delete", "away"}), ExitCode::kOk) << err_;
  EXPECT_EQ(RunAlone({"context", "show"}), ExitCode::kNotFound);
  EXPECT_EQ(RunAlone({"context", "use", "tst"}), ExitCode::kNotFound);
  EXPECT_THAT(err_, HasSubstr("there is no context \"tst\" in "));
  EXPECT_THAT(err_, HasSubstr("did you mean \"test\"?"));
}

TEST_F(ContextTest, ListAndShowKeepTheTokenToThemselves) {
  ASSERT_EQ(RunAlone({"context", "set", "test", "--server", admin_.address(), "--token", "slt_secret"}), ExitCode::kOk) << err_;
  EXPECT_EQ(RunAlone({"context", "list"}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, HasSubstr("*        test  ADDRESS"));
  EXPECT_THAT(out_, Not(HasSubstr("slt_secret")));
  for (const char* form : {"table", "json", "yaml"}) {
    EXPECT_EQ(RunAlone({"context", "show", "-o", form}), ExitCode::kOk) << err_;
    EXPECT_THAT(out_, HasSubstr("set (10 characters)")) << form;
    EXPECT_THAT(out_, Not(HasSubstr("slt_secret"))) << form;
  }
}

TEST_F(ContextTest, ATokenIsSentWithEveryCall) {
  EXPECT_EQ(Run({"status"}), ExitCode::kOk);
  EXPECT_EQ(admin_.authorization, "");
  EXPECT_EQ(Run({"status", "--token", "slt_x"}), ExitCode::kOk) << err_;
  EXPECT_EQ(admin_.authorization, "Bearer slt_x");
  environment_["SLUICE_TOKEN"] = "slt_y";
  EXPECT_EQ(Run({"status"}), ExitCode::kOk) << err_;
  EXPECT_EQ(admin_.authorization, "Bearer slt_y");
}

TEST_F(ContextTest, AnEmptyValueUnsets) {
  ASSERT_EQ(RunAlone({"context", "set", "test", "--server", admin_.address(), "--token", "x"}), ExitCode::kOk) << err_;
  ASSERT_EQ(RunAlone({"context", "set", "test", "--token", ""}), ExitCode::kOk) << err_;
  EXPECT_EQ(RunAlone({"context", "show"}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, Not(HasSubstr("token")));
}

TEST_F(ContextTest, TheOldNameOfTheVariableStillCounts) {
  environment_["SLUICE_CONTROLPLANE"] = admin_.address();
  EXPECT_EQ(RunAlone({"status"}), ExitCode::kOk) << err_;
}

TEST_F(ContextTest, ABrokenFileIsNamedByWhatNeedsItAndByNothingElse) {
  environment_["SLUICE_CONFIG"] = File("config.yaml", "contexts:\n- nam: x\n");
  EXPECT_EQ(RunAlone({"status"}), ExitCode::kUsage);
  EXPECT_EQ(err_, "sluicectl: config.yaml:2: unknown key \"nam\"; did you mean \"name\"?\n");
  EXPECT_EQ(RunAlone({"explain", "route"}), ExitCode::kOk) << err_;
  EXPECT_EQ(Run({"status"}), ExitCode::kOk) << err_;
}

}  // namespace
}  // namespace sluice::ctl
