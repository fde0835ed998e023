// edit: with scripts for editors, in the order in which they are opened.
#include "controlplane/ctl/three_way.h"
#include "tests/ctl/run_ctl.h"

namespace sluice::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class EditTest : public RunCtlTest {
 protected:
  void SetUp() override {
    Given();
    environment_["TMPDIR"] = folder_;
    // Runs the next script on the file, and keeps what it was shown.
    File("editor", "n=$(cat " + Path("count") + " 2>/dev/null || echo 0)\n"
                   "cp \"$1\" " + Path("shown.") + "$n\n"
                   "echo $((n + 1)) > " + Path("count") + "\n"
                   "if [ -e " + Path("step.") + "$n ]; then sh " + Path("step.") + "$n \"$1\"; fi\n");
    environment_["EDITOR"] = "sh " + Path("editor");
  }

  void Step(int n, const std::string& script) const { File("step." + std::to_string(n), script + "\n"); }
  std::string Shown(int n) const { return TextOf(Path("shown." + std::to_string(n))); }

  size_t LeftFiles() const {
    size_t left = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      left += entry.path().filename().string().rfind("sluicectl-edit-", 0) == 0;
    }
    return left;
  }
};

TEST_F(EditTest, AChangeIsAppliedAndNothingIsLeftBehind) {
  Step(0, "sed -i 's/max_attempts: 3/max_attempts: 4/' \"$1\"");
  EXPECT_EQ(Run({"edit", "retrypolicy/default"}), ExitCode::kOk) << err_;
  EXPECT_EQ(Shown(0), "kind: RetryPolicy\nname: default\nmax_attempts: 3\n");
  EXPECT_THAT(out_, HasSubstr("  max_attempts: 3 → 4\nrevision 2 · acked by 2/2 data planes"));
  EXPECT_EQ(LeftFiles(), 0u);
}

TEST_F(EditTest, TextThatIsNotChangedChangesNothing) {
  EXPECT_EQ(Run({"edit", "retrypolicy", "default"}), ExitCode::kOk) << err_;
  EXPECT_EQ(out_, "retrypolicy/default unchanged\n");
  EXPECT_EQ(admin_.applied.size(), 1u);
  EXPECT_EQ(LeftFiles(), 0u);
}

TEST_F(EditTest, ErrorsComeBackOnTopOfTheText) {
  Step(0, "sed -i 's/max_attempts: 3/max_attempts: 99/' \"$1\"");
  Step(1, "sed -i 's/max_attempts: 99/max_attempts: 5/' \"$1\"");
  EXPECT_EQ(Run({"edit", "retrypolicy/default"}), ExitCode::kOk) << err_;
  EXPECT_THAT(Shown(1), ::testing::StartsWith("#! It was not taken."));
  EXPECT_THAT(Shown(1), HasSubstr("#! line:3: retrypolicy/default: max_attempts: 99"));
  EXPECT_THAT(Shown(1), HasSubstr("\nmax_attempts: 99\n"));
  EXPECT_THAT(out_, HasSubstr("max_attempts: 3 → 5"));
}

TEST_F(EditTest, ErrorsThatAreLeftAsTheyAreGiveUpAndKeepTheText) {
  Step(0, "sed -i 's/max_attempts: 3/max_atempts: 3/' \"$1\"");
  EXPECT_EQ(Run({"edit", "retrypolicy/default"}), ExitCode::kInvalidPolicy);
  EXPECT_THAT(Shown(1), HasSubstr("unknown field \"max_atempts\""));
  EXPECT_THAT(err_, HasSubstr("nothing was changed, your text is in sluicectl-edit-"));
  EXPECT_EQ(LeftFiles(), 1u);
}

TEST_F(EditTest, AnEditorThatFailsKeepsTheText) {
  Step(0, "sed -i 's/max_attempts: 3/max_attempts: 4/' \"$1\"; kill -9 $PPID");
  EXPECT_EQ(Run({"edit", "retrypolicy/default"}), ExitCode::kUnexpected);
  EXPECT_THAT(err_, HasSubstr("was ended by signal 9; nothing was changed, your text is in "));
  EXPECT_EQ(LeftFiles(), 1u);
  environment_["VISUAL"] = "/no/such/editor";
  EXPECT_EQ(Run({"edit", "retrypolicy/default"}), ExitCode::kUnexpected);
  EXPECT_THAT(err_, HasSubstr("the editor (/no/such/editor) is not there"));
}

TEST_F(EditTest, TheFileIsForItsOwnerOnly) {
  Step(0, "stat -c %a \"$1\" > " + Path("mode"));
  EXPECT_EQ(Run({"edit", "retrypolicy/default"}), ExitCode::kOk) << err_;
  EXPECT_EQ(TextOf(Path("mode")), "600\n");
}

TEST_F(EditTest, AnotherNameIsNotTaken) {
  Step(0, "sed -i 's/name: default/name: other/' \"$1\"");
  Step(1, "sed -i 's/name: other/name: default/' \"$1\"");
  EXPECT_EQ(Run({"edit", "retrypolicy/default"}), ExitCode::kOk) << err_;
  EXPECT_THAT(Shown(1), HasSubstr("#! Only retrypolicy/default is edited here"));
  EXPECT_EQ(out_, "retrypolicy/default unchanged\n");
}

// Changes by others come from the real program, which the editor's script runs.
class ConflictTest : public EditTest {
 protected:
  std::string Other(const std::string& assignment) const {
    return SLUICE_BIN "/sluicectl --server " + admin_.address() + " set retrypolicy/default " + assignment + " > /dev/null; ";
  }
};

TEST_F(ConflictTest, ChangesOfDifferentLinesAreMerged) {
  Step(0, Other("backoff.fixed.delay=1s") + "sed -i 's/max_attempts: 3/max_attempts: 4/' \"$1\"");
  EXPECT_EQ(Run({"edit", "retrypolicy/default"}), ExitCode::kOk) << err_;
  EXPECT_EQ(err_, "retrypolicy/default was changed meanwhile (revision 2); your change was put on top\n");
  ASSERT_EQ(Run({"get", "retrypolicy/default"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("max_attempts: 4"));
  EXPECT_THAT(out_, HasSubstr("delay: 1s"));
}

TEST_F(ConflictTest, ChangesOfTheSameLineAreShownAndNotTakenBeforeTheyAreResolved) {
  Step(0, Other("max_attempts=5") + "sed -i 's/max_attempts: 3/max_attempts: 4/' \"$1\"");
  Step(1, "echo '# thinking' >> \"$1\"");
  Step(2, "sed -i '/^<<<<<<</,/^=======/d; /^>>>>>>>/d; /thinking/d; s/attempts: 5/attempts: 6/' \"$1\"");
  EXPECT_EQ(Run({"edit", "retrypolicy/default"}), ExitCode::kOk) << err_;
  EXPECT_THAT(Shown(1), HasSubstr("<<<<<<< yours\nmax_attempts: 4\n=======\nmax_attempts: 5\n>>>>>>> in force since revision 2\n"));
  EXPECT_THAT(Shown(2), ::testing::StartsWith("#! Both changes stand between"));
  EXPECT_THAT(out_, HasSubstr("max_attempts: 5 → 6"));
}

TEST_F(ConflictTest, WhatWasDeletedMeanwhileKeepsTheText) {
  Step(0, SLUICE_BIN "/sluicectl --server " + admin_.address() + " delete retrypolicy/default > /dev/null; " +
              "sed -i 's/max_attempts: 3/max_attempts: 4/' \"$1\"");
  EXPECT_EQ(Run({"edit", "retrypolicy/default"}), ExitCode::kNotFound);
  EXPECT_THAT(err_, HasSubstr("your text is in "));
  EXPECT_EQ(LeftFiles(), 1u);
}

TEST_F(EditTest, CommentsOfFilesAreThereAgainAndNewOnesAreKept) {
  const std::string text = "# Why so few.\nkind: RetryPolicy\nname: default\n# See the incident.\nmax_attempts: 2  # was 3\n# The end.\n";
  ASSERT_EQ(Run({"apply", "-f", File("commented.yaml", text)}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, HasSubstr("comments: (not set) → 4 comments\n"));
  EXPECT_THAT(out_, Not(HasSubstr("incident")));
  Step(0, "sed -i 's/# was 3/# was 3, then 4/' \"$1\"");
  EXPECT_EQ(Run({"edit", "retrypolicy/default"}), ExitCode::kOk) << err_;
  EXPECT_EQ(Shown(0), text);
  Step(1, "true");
  EXPECT_EQ(Run({"edit", "retrypolicy/default"}), ExitCode::kOk) << err_;
  EXPECT_THAT(Shown(1), HasSubstr("max_attempts: 2  # was 3, then 4\n"));
}

struct MergeRow {
  const char* name;
  const char* base;
  const char* mine;
  const char* theirs;
  const char* merged;
  int conflicts;
};

class ThreeWayTest : public ::testing::TestWithParam<MergeRow> {};

TEST_P(ThreeWayTest, PutsBothChangesTogether) {
  const MergeRow& row = GetParam();
  const MergedText merged = MergeThreeWay(row.base, row.mine, row.theirs, "mine", "theirs");
  EXPECT_EQ(merged.text, row.merged);
  EXPECT_EQ(merged.conflicts, row.conflicts);
  EXPECT_EQ(HasMarkers(merged.text), row.conflicts > 0);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, ThreeWayTest,
    ::testing::Values(
        MergeRow{"Nothing", "a\nb\n", "a\nb\n", "a\nb\n", "a\nb\n", 0},
        MergeRow{"MineOnly", "a\nb\nc\n", "a\nx\nc\n", "a\nb\nc\n", "a\nx\nc\n", 0},
        MergeRow{"TheirsOnly", "a\nb\nc\n", "a\nb\nc\n", "a\nb\ny\n", "a\nb\ny\n", 0},
        MergeRow{"Both", "a\nb\nc\nd\n", "x\nb\nc\nd\n", "a\nb\nc\ny\n", "x\nb\nc\ny\n", 0},
        MergeRow{"TheSame", "a\nb\n", "a\nx\n", "a\nx\n", "a\nx\n", 0},
        MergeRow{"Added", "a\nb\n", "m\na\nb\n", "a\nb\nt\n", "m\na\nb\nt\n", 0},
        MergeRow{"AddedBesideAChange", "a\nb\n", "a\nx\n", "a\nb\nt\n", "a\nx\nt\n", 0},
        MergeRow{"ChangedBesideAnAddition", "a\nb\n", "m\na\nb\n", "y\nb\n", "m\ny\nb\n", 0},
        MergeRow{"Removed", "a\nb\nc\n", "b\nc\n", "a\nb\n", "b\n", 0},
        MergeRow{"Conflict", "a\nb\nc\n", "a\nx\nc\n", "a\ny\nc\n", "a\n<<<<<<< mine\nx\n=======\ny\n>>>>>>> theirs\nc\n", 1},
        MergeRow{"RemovedAndChanged", "a\nb\nc\n", "a\nc\n", "a\ny\nc\n", "a\n<<<<<<< mine\n=======\ny\n>>>>>>> theirs\nc\n", 1},
        MergeRow{"FromNothing", "", "x\n", "y\n", "<<<<<<< mine\nx\n=======\ny\n>>>>>>> theirs\n", 1}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace sluice::ctl
