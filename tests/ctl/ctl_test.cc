// Whole commands against a control plane in this process: what is printed
// where, and the exit status.
#include "controlplane/ctl/ctl.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "tests/ctl/fake_admin.h"

namespace sluice::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

constexpr char kPolicy[] = R"(kind: Upstream
name: openai
labels: {team: search}
format: OPENAI
credential: env:OPENAI_API_KEY
endpoints:
- url: https://api.openai.com/v1
- url: https://backup.example.com/v1
  priority: 1
---
kind: Route
name: chat
match: {model: chat}
targets: [{upstream: openai, model: gpt-4o-mini}]
---
kind: RetryPolicy
name: default
max_attempts: 3
)";

class CtlTest : public ::testing::Test {
 protected:
  CtlTest() {
    char pattern[] = "/tmp/ctl_test.XXXXXX";
    folder_ = mkdtemp(pattern);
  }
  ~CtlTest() override { std::filesystem::remove_all(folder_); }

  std::string File(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }

  ExitCode Run(std::vector<std::string> args) {
    std::ostringstream out, err;
    args.insert(args.begin(), {"--server", admin_.address()});
    CtlIo io{out, err};
    io.now = [] { return absl::UnixEpoch() + absl::Minutes(6); };
    io.zone = absl::UTCTimeZone();
    const ExitCode code = RunCtl(args, io);
    out_ = out.str();
    err_ = err.str();
    // Error texts name files; the folder differs from run to run.
    for (size_t at; (at = err_.find(folder_ + "/")) != std::string::npos;) err_.erase(at, folder_.size() + 1);
    return code;
  }

  void Given() { ASSERT_EQ(Run({"apply", "-f", File("policy.yaml", kPolicy)}), ExitCode::kOk) << err_; }

  static void AddNode(v1::NodeStatus* node, const std::string& id, v1::NodeState state, uint64_t revision) {
    node->set_node_id(id);
    node->set_state(state);
    node->set_acked_revision(revision);
    node->mutable_since()->set_seconds(240);
  }

  testing::FakeAdmin admin_;
  std::string folder_;
  std::string out_;
  std::string err_;
};

TEST_F(CtlTest, ApplySaysWhatWasMadeAndWhoHasIt) {
  EXPECT_EQ(Run({"apply", "-f", File("policy.yaml", kPolicy), "--reason", "first", "--author", "ann"}), ExitCode::kOk);
  EXPECT_EQ(out_,
            "upstream/openai created\n"
            "route/chat created\n"
            "retrypolicy/default created\n"
            "revision 1 · acked by 2/2 data planes in 41 ms\n");
  EXPECT_EQ(err_, "");
  EXPECT_EQ(admin_.author, "ann");
  EXPECT_EQ(admin_.reason, "first");
}

TEST_F(CtlTest, ApplyTakesAFolderAndJson) {
  std::filesystem::create_directory(folder_ + "/p");
  File("p/a.yaml", "kind: RetryPolicy\nname: slow\nmax_attempts: 2\n");
  File("p/b.json", R"({"kind": "RetryPolicy", "name": "fast", "max_attempts": 5})");
  EXPECT_EQ(Run({"apply", "-f", folder_ + "/p"}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, HasSubstr("retrypolicy/slow created\nretrypolicy/fast created\n"));
}

TEST_F(CtlTest, ApplyOfTheSameChangesNothing) {
  Given();
  EXPECT_EQ(Run({"apply", "-f", folder_ + "/policy.yaml"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("route/chat unchanged\n"));
  EXPECT_THAT(out_, HasSubstr("revision 1 · nothing to change\n"));
}

TEST_F(CtlTest, DryRunChangesNothing) {
  EXPECT_EQ(Run({"apply", "--dry-run", "-f", File("policy.yaml", kPolicy)}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("upstream/openai created (dry run)\n"));
  EXPECT_THAT(out_, HasSubstr("nothing was changed (dry run)\n"));
  EXPECT_EQ(Run({"get", "upstream/openai"}), ExitCode::kNotFound);
}

TEST_F(CtlTest, ApplyNamesEveryViolationWithItsLine) {
  const std::string file = File("broken.yaml",
                                "kind: Upstream\nname: openai\nformat: OPENAI\nendpoints:\n- url: https://api.openai.com/v1\n"
                                "---\nkind: Route\nname: chat\nmatch: {model: chat}\ntargets:\n- upstream: openai\n- upstream: opnai\n"
                                "retry:\n  max_attempts: 3\n  backoff:\n    exponential:\n      base: 100ms\n      max: 50ms\n");
  EXPECT_EQ(Run({"apply", "-f", file}), ExitCode::kInvalidPolicy);
  EXPECT_EQ(out_, "");
  EXPECT_THAT(err_, HasSubstr("broken.yaml:12: route/chat: targets[1].upstream: "));
  EXPECT_THAT(err_, HasSubstr("did you mean \"openai\"?"));
  EXPECT_THAT(err_, MatchesRegex("(.|\n)*broken.yaml:18: route/chat: retry\\.[a-z.]*max: [^\n]*50ms(.|\n)*"));
  EXPECT_LT(err_.find("broken.yaml:12"), err_.find("broken.yaml:18"));
  EXPECT_THAT(err_, ::testing::EndsWith("nothing was changed\n"));
}

TEST_F(CtlTest, ApplyTellsWhatTheLoaderAndTheControlPlaneFindInOneRound) {
  const std::string file = File("broken.yaml",
                                "kind: RetryPolicy\nname: a\nmax_atempts: 3\n---\nkind: RetryPolicy\nname: b\nmax_attempts: 99\n");
  EXPECT_EQ(Run({"apply", "-f", file}), ExitCode::kInvalidPolicy);
  EXPECT_THAT(err_, HasSubstr("broken.yaml:3: retrypolicy/a: "));
  EXPECT_THAT(err_, HasSubstr("broken.yaml:7: retrypolicy/b: max_attempts: "));
}

TEST_F(CtlTest, AMisspeltReferenceIsToldBesideADocumentThatCouldNotBeRead) {
  const std::string file = File("broken.yaml",
                                "kind: RetryPolicy\nname: a\nmax_atempts: 3\n---\nkind: Route\nname: r\nmatch: {model: m}\n"
                                "retry: a\ntargets: [{upstream: opnai}]\n");
  for (const char* command : {"apply", "validate"}) {
    EXPECT_EQ(Run({command, "-f", file}), ExitCode::kInvalidPolicy);
    EXPECT_THAT(err_, HasSubstr("broken.yaml:3: retrypolicy/a: unknown field"));
    EXPECT_THAT(err_, HasSubstr("broken.yaml:9: route/r: targets[0].upstream: \"opnai\" does not exist"));
    // It is there, though it could not be read.
    EXPECT_THAT(err_, Not(HasSubstr("\"a\" does not exist")));
  }
}

TEST_F(CtlTest, ApplyRefusesAResourceThatComesTwice) {
  const std::string a = File("a.yaml", "kind: RetryPolicy\nname: x\nmax_attempts: 2\n");
  const std::string b = File("b.yaml", "kind: RetryPolicy\nname: x\nmax_attempts: 3\n");
  EXPECT_EQ(Run({"apply", "-f", a, "-f", b}), ExitCode::kInvalidPolicy);
  EXPECT_THAT(err_, HasSubstr("b.yaml:1: retrypolicy/x: is defined twice; first at a.yaml:1"));
}

TEST_F(CtlTest, ApplyNamesAFileThatIsNotThere) {
  EXPECT_EQ(Run({"apply", "-f", folder_ + "/missing.yaml"}), ExitCode::kInvalidPolicy);
  EXPECT_THAT(err_, HasSubstr("missing.yaml: "));
}

TEST_F(CtlTest, ARefusalByADataPlaneIsNamedAndHasItsOwnStatus) {
  admin_.await.set_acked(1);
  admin_.await.set_nacked(1);
  v1::NodeStatus* node = admin_.await.add_nodes();
  AddNode(node, "edge-2", v1::NODE_STATE_NACKED, 0);
  for (const char* path : {"credential", "proxy"}) {
    v1::Violation* violation = node->add_violations();
    violation->mutable_resource()->set_kind("Upstream");
    violation->mutable_resource()->set_name("openai");
    violation->set_path(path);
    violation->set_message("env OPENAI_API_KEY is not set here");
  }
  EXPECT_EQ(Run({"apply", "-f", File("policy.yaml", kPolicy)}), ExitCode::kNodeRefused);
  EXPECT_THAT(out_, HasSubstr("revision 1 · acked by 1/2 data planes, refused by 1 in 41 ms\n"));
  EXPECT_EQ(err_,
            "edge-2: refused: upstream/openai: credential: env OPENAI_API_KEY is not set here\n"
            "edge-2: refused: upstream/openai: proxy: env OPENAI_API_KEY is not set here\n");
}

TEST_F(CtlTest, ADataPlaneThatDoesNotAnswerIsNamedAndHasItsOwnStatus) {
  admin_.await.set_acked(1);
  admin_.await.set_pending(1);
  AddNode(admin_.await.add_nodes(), "edge-3", v1::NODE_STATE_PENDING, 0);
  EXPECT_EQ(Run({"apply", "--timeout", "3s", "-f", File("policy.yaml", kPolicy)}), ExitCode::kNotAcked);
  EXPECT_THAT(out_, HasSubstr("revision 1 · acked by 1/2 data planes, no answer from 1 within 3 s\n"));
  EXPECT_EQ(err_, "edge-3: has not answered; it runs revision 0\n");
  EXPECT_EQ(admin_.awaited_ms, 3000);
}

TEST_F(CtlTest, NoDataPlaneIsNoError) {
  admin_.await.Clear();
  EXPECT_EQ(Run({"apply", "-f", File("policy.yaml", kPolicy)}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("revision 1 · no data plane is connected\n"));
}

TEST_F(CtlTest, NoWaitDoesNotAskTheDataPlanes) {
  EXPECT_EQ(Run({"apply", "--no-wait", "-f", File("policy.yaml", kPolicy)}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("revision 1 · not waited for\n"));
  EXPECT_EQ(admin_.awaited_ms, 0);
}

TEST_F(CtlTest, ABrokenConnectionIsTriedAgainWithTheSameRequestId) {
  admin_.broken_calls = 1;
  EXPECT_EQ(Run({"apply", "-f", File("policy.yaml", kPolicy)}), ExitCode::kOk) << err_;
  ASSERT_EQ(admin_.request_ids.size(), 2u);
  EXPECT_EQ(admin_.request_ids[0], admin_.request_ids[1]);
}

TEST_F(CtlTest, GetPrintsWhatApplyReads) {
  Given();
  ASSERT_EQ(Run({"get", "upstream", "openai"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("kind: Upstream\nname: openai\n"));
  EXPECT_THAT(out_, HasSubstr("etag: etag-1\n"));
  EXPECT_EQ(Run({"apply", "-f", File("again.yaml", out_)}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, HasSubstr("upstream/openai unchanged\n"));
  ASSERT_EQ(Run({"get", "upstream/openai", "-o", "json"}), ExitCode::kOk);
  EXPECT_EQ(Run({"apply", "-f", File("again.json", out_)}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, HasSubstr("upstream/openai unchanged\n"));
}

TEST_F(CtlTest, GetNamesWhatDoesNotExist) {
  EXPECT_EQ(Run({"get", "route/none"}), ExitCode::kNotFound);
  EXPECT_EQ(err_, "sluicectl: route/none does not exist\n");
}

TEST_F(CtlTest, GetForAnotherControlPlaneHasNoEtag) {
  Given();
  ASSERT_EQ(Run({"get", "upstream", "openai", "--no-etag"}), ExitCode::kOk);
  EXPECT_THAT(out_, Not(HasSubstr("etag")));
  EXPECT_THAT(out_, Not(HasSubstr("revision")));
}

TEST_F(CtlTest, GetTakesSeveralNamesAndTellsOfThoseThatAreNotThere) {
  Given();
  EXPECT_EQ(Run({"get", "rt/chat", "upstreams/openai", "route/none", "-o", "name"}), ExitCode::kNotFound);
  EXPECT_EQ(out_, "route/chat\nupstream/openai\n");
  EXPECT_EQ(err_, "sluicectl: route/none does not exist\n");
  EXPECT_EQ(Run({"get", "rp", "default", "-o", "name"}), ExitCode::kOk);
  EXPECT_EQ(out_, "retrypolicy/default\n");
}

TEST_F(CtlTest, GetTakesSeveralKinds) {
  Given();
  EXPECT_EQ(Run({"get", "routes", "us", "-o", "name"}), ExitCode::kOk);
  EXPECT_EQ(out_, "route/chat\nupstream/openai\n");
  EXPECT_EQ(Run({"get", "all", "-o", "name"}), ExitCode::kOk);
  EXPECT_EQ(out_, "retrypolicy/default\nroute/chat\nupstream/openai\n");
}

TEST_F(CtlTest, ListShowsAlignedColumnsWithoutTrailingBlanks) {
  Given();
  EXPECT_EQ(Run({"list"}), ExitCode::kOk);
  EXPECT_EQ(out_,
            "RESOURCE             REVISION  CHANGED            WHAT                       LABELS\n"
            "retrypolicy/default  1         5m ago (00:01:00)  3 attempts\n"
            "route/chat           1         5m ago (00:01:00)  chat → openai/gpt-4o-mini\n"
            "upstream/openai      1         5m ago (00:01:00)  openai, 2 endpoints        team=search\n");
}

TEST_F(CtlTest, ListSelectsByKindAndLabel) {
  Given();
  EXPECT_EQ(Run({"list", "routes", "-o", "name"}), ExitCode::kOk);
  EXPECT_EQ(out_, "route/chat\n");
  EXPECT_EQ(Run({"list", "-l", "team=search", "-o", "name"}), ExitCode::kOk);
  EXPECT_EQ(out_, "upstream/openai\n");
  EXPECT_EQ(Run({"list", "-l", "team=none"}), ExitCode::kOk);
  EXPECT_EQ(out_, "");
}

TEST_F(CtlTest, ListInYamlAndJsonIsReadByApply) {
  Given();
  for (const char* form : {"yaml", "json"}) {
    ASSERT_EQ(Run({"list", "-o", form}), ExitCode::kOk);
    if (std::string(form) == "json") {
      EXPECT_EQ(out_.front(), '[');
      continue;
    }
    EXPECT_EQ(Run({"apply", "-f", File("all.yaml", out_)}), ExitCode::kOk) << err_;
    EXPECT_THAT(out_, HasSubstr("nothing to change"));
  }
}

TEST_F(CtlTest, DiffShowsFieldsAndTellsAScript) {
  Given();
  const std::string file = File("new.yaml",
                                "kind: RetryPolicy\nname: default\nmax_attempts: 4\n---\nkind: RetryPolicy\nname: other\nmax_attempts: 1\n");
  EXPECT_EQ(Run({"diff", "-f", file}), ExitCode::kOk) << err_;
  EXPECT_EQ(out_, "~ retrypolicy/default\n    max_attempts: 3 → 4\n+ retrypolicy/other\n");
  EXPECT_EQ(Run({"diff", "--exit-code", "-f", file}), ExitCode::kDifferent);
  EXPECT_EQ(Run({"diff", "--exit-code", "-f", folder_ + "/policy.yaml"}), ExitCode::kOk);
  EXPECT_EQ(out_, "no differences\n");
}

TEST_F(CtlTest, DiffComparesRevisions) {
  Given();
  ASSERT_EQ(Run({"set", "retrypolicy/default", "max_attempts=5"}), ExitCode::kOk);
  EXPECT_EQ(Run({"diff", "--from", "1"}), ExitCode::kOk) << err_;
  EXPECT_EQ(out_, "~ retrypolicy/default\n    max_attempts: 3 → 5\n");
  EXPECT_EQ(Run({"diff", "--from", "1", "--to", "9"}), ExitCode::kNotFound);
}

TEST_F(CtlTest, SetChangesOneField) {
  Given();
  EXPECT_EQ(Run({"set", "retrypolicy/default", "max_attempts=4"}), ExitCode::kOk) << err_;
  EXPECT_EQ(out_,
            "retrypolicy/default updated\n"
            "  max_attempts: 3 → 4\n"
            "revision 2 · acked by 2/2 data planes in 41 ms\n");
  ASSERT_EQ(Run({"get", "retrypolicy/default"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("max_attempts: 4"));
}

TEST_F(CtlTest, SetRefusesWhatIsWrong) {
  Given();
  EXPECT_EQ(Run({"set", "retrypolicy/default", "max_attempts=99"}), ExitCode::kInvalidPolicy);
  EXPECT_THAT(err_, HasSubstr("99"));
  EXPECT_THAT(err_, HasSubstr("nothing was changed\n"));
  EXPECT_EQ(Run({"set", "retrypolicy/default", "max_atempts=2"}), ExitCode::kInvalidPolicy);
  EXPECT_EQ(Run({"set", "retrypolicy/none", "max_attempts=2"}), ExitCode::kNotFound);
  EXPECT_EQ(Run({"set", "retrypolicy/default", "--etag", "old", "max_attempts=2"}), ExitCode::kConflict);
  EXPECT_EQ(Run({"set", "retrypolicy/default", "max_attempts"}), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr("write field=value"));
}

TEST_F(CtlTest, SetPrintsEveryViolationThatTheStatusCarries) {
  google::rpc::BadRequest bad;
  for (const char* field : {"max_attempts", "retry_on"}) {
    auto* violation = bad.add_field_violations();
    violation->set_field(std::string("retrypolicy/default: ") + field);
    violation->set_description("will not do");
  }
  google::rpc::Status rich;
  rich.add_details()->PackFrom(bad);
  admin_.refusal = grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "2 violations", rich.SerializeAsString());
  EXPECT_EQ(Run({"set", "retrypolicy/default", "max_attempts=0"}), ExitCode::kInvalidPolicy);
  EXPECT_EQ(err_,
            "retrypolicy/default: max_attempts: will not do\n"
            "retrypolicy/default: retry_on: will not do\n"
            "nothing was changed\n");
}

TEST_F(CtlTest, DeleteTakesNamesAndFiles) {
  Given();
  EXPECT_EQ(Run({"delete", "retrypolicy/default"}), ExitCode::kOk) << err_;
  EXPECT_EQ(out_, "retrypolicy/default deleted\nrevision 2 · acked by 2/2 data planes in 41 ms\n");
  const std::string file = File("gone.yaml", "kind: Route\nname: chat\nmatch: {model: chat}\ntargets: [{upstream: openai}]\n");
  EXPECT_EQ(Run({"delete", "-f", file, "--dry-run"}), ExitCode::kOk) << err_;
  EXPECT_EQ(out_, "route/chat deleted (dry run)\nnothing was changed (dry run)\n");
  EXPECT_EQ(Run({"delete", "-f", file}), ExitCode::kOk) << err_;
  EXPECT_EQ(Run({"delete", "route/chat"}), ExitCode::kNotFound);
  EXPECT_EQ(Run({"delete"}), ExitCode::kUsage);
}

TEST_F(CtlTest, DeleteOfWhatIsReferredToIsAConflict) {
  Given();
  admin_.refusal = grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "upstream/openai is referred to by route/chat");
  EXPECT_EQ(Run({"delete", "upstream/openai"}), ExitCode::kConflict);
  EXPECT_EQ(err_, "sluicectl: upstream/openai is referred to by route/chat\nnothing was changed\n");
}

TEST_F(CtlTest, HistoryTellsWhoWhatAndWhy) {
  ASSERT_EQ(Run({"apply", "--author", "ann", "-f", File("policy.yaml", kPolicy)}), ExitCode::kOk);
  ASSERT_EQ(Run({"set", "--author", "bob", "--reason", "incident", "retrypolicy/default", "max_attempts=2"}), ExitCode::kOk);
  ASSERT_EQ(Run({"rollback", "--author", "bob", "--to", "1"}), ExitCode::kOk) << err_;
  EXPECT_EQ(out_,
            "retrypolicy/default updated\n  max_attempts: 2 → 3\nrevision 3 · acked by 2/2 data planes in 41 ms\n");
  EXPECT_EQ(Run({"history"}), ExitCode::kOk);
  EXPECT_EQ(out_,
            "REVISION  WHEN               AUTHOR  CHANGES                                            REASON\n"
            "3         3m ago (00:03:00)  bob     ~retrypolicy/default                               rollback to 1\n"
            "2         4m ago (00:02:00)  bob     ~retrypolicy/default                               incident\n"
            "1         5m ago (00:01:00)  ann     +upstream/openai +route/chat +retrypolicy/default\n");
  EXPECT_EQ(Run({"history", "route/chat", "-o", "json"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("\"revision\": 1,"));
  EXPECT_THAT(out_, Not(HasSubstr("\"revision\": 2,")));
}

TEST_F(CtlTest, RollbackToWhatNeverWasIsNotFound) {
  EXPECT_EQ(Run({"rollback", "--to", "7"}), ExitCode::kNotFound);
  EXPECT_THAT(err_, HasSubstr("revision 7 does not exist; the newest is"));
  EXPECT_EQ(Run({"rollback"}), ExitCode::kUsage);
}

TEST_F(CtlTest, StatusShowsEveryDataPlane) {
  admin_.nodes.set_revision(7);
  v1::NodeStatus* bad = admin_.nodes.add_nodes();
  AddNode(bad, "edge-2", v1::NODE_STATE_NACKED, 6);
  bad->set_last_error("upstream/openai: env OPENAI_API_KEY is not set here");
  bad->mutable_health()->set_calls_per_second(1100);
  bad->mutable_health()->set_open_calls(322);
  bad->mutable_health()->set_errors_per_minute(0.1);
  v1::NodeStatus* good = admin_.nodes.add_nodes();
  AddNode(good, "edge-1", v1::NODE_STATE_ACKED, 7);
  good->mutable_health()->set_calls_per_second(1200);
  good->mutable_health()->set_open_calls(340);
  good->mutable_health()->set_errors_per_minute(0.2);
  good->mutable_health_age()->set_seconds(2);
  bad->mutable_health_age()->set_seconds(3);
  bad->mutable_health_age()->set_nanos(300'000'000);
  v1::NodeStatus* lost = admin_.nodes.add_nodes();
  AddNode(lost, "edge-3", v1::NODE_STATE_LOST, 0);
  lost->mutable_health();
  lost->mutable_health_age()->set_seconds(99);
  EXPECT_EQ(Run({"status"}), ExitCode::kOk);
  EXPECT_EQ(out_,
            "NODE    REVISION  STATE   SINCE          CALLS   OPEN  ERRORS/MIN  LAST ERROR\n"
            "edge-1  7         acked   2m (00:04:00)  1.2k/s  340   0.2\n"
            "edge-2  6         NACKED  2m (00:04:00)  1.1k/s  322   0.1         upstream/openai: env OPENAI_API_KEY is not set here\n"
            "edge-3  –         LOST    2m (00:04:00)  –       –     –\n"
            "revision 7 · run by 1/3 data planes · figures up to 4 s old\n");
  EXPECT_EQ(Run({"status", "--check"}), ExitCode::kNodeRefused);
  EXPECT_EQ(Run({"status", "-o", "json"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("\"node_id\": \"edge-1\""));
}

TEST_F(CtlTest, StatusNamesBothOfTwoDataPlanesWithOneId) {
  admin_.nodes.set_revision(7);
  v1::NodeStatus* node = admin_.nodes.add_nodes();
  AddNode(node, "edge-1", v1::NODE_STATE_ACKED, 7);
  node->set_peer("ipv4:10.0.0.1:1001");
  EXPECT_EQ(Run({"status", "--check"}), ExitCode::kOk);
  node->set_rival_peer("ipv4:10.0.0.2:1000");
  EXPECT_EQ(Run({"status"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("TWO DATA PLANES have this id: the one at ipv4:10.0.0.2:1000 was refused; give each its own "
                              "--node-id"));
  EXPECT_EQ(Run({"status", "--check"}), ExitCode::kNotAcked);
}

TEST_F(CtlTest, StatusWithoutDataPlanesSaysSo) {
  admin_.nodes.set_revision(3);
  EXPECT_EQ(Run({"status"}), ExitCode::kOk);
  EXPECT_EQ(out_, "revision 3 · no data plane has connected\n");
}

TEST_F(CtlTest, ValidateNeedsNoControlPlane) {
  const std::string good = File("good.yaml", kPolicy);
  EXPECT_EQ(Run({"--server", "127.0.0.1:1", "validate", "-f", good}), ExitCode::kOk) << err_;
  EXPECT_EQ(out_, "3 resources are valid\n");
  const std::string bad = File("bad.yaml", "kind: RetryPolicy\nname: x\nmax_attempts: 0\n");
  EXPECT_EQ(Run({"validate", "-f", bad}), ExitCode::kInvalidPolicy);
  EXPECT_THAT(err_, HasSubstr("bad.yaml:3: retrypolicy/x: max_attempts: "));
}

TEST_F(CtlTest, ExplainReadsTypesDefaultsRangesAndComments) {
  EXPECT_EQ(Run({"explain", "retrypolicy"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("max_attempts   integer · default 3 · 1 to 10\n      The first attempt included.\n"));
  EXPECT_EQ(Run({"explain", "retry_policy.backoff.exponential.max"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("retrypolicy.backoff.exponential.max   duration · default 5s · 1ms to 10m\n  At least `base`.\n"));
  EXPECT_EQ(Run({"explain", "route.retry.backoff.exponential.jitter"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("NONE | FULL | EQUAL"));
  EXPECT_EQ(Run({"explain", "route.stream.coalesce"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("route.stream.coalesce   duration · default 0s · 0s to 1s\n  Fewer and larger messages"));
  EXPECT_EQ(Run({"explain", "route.targets[0].weight"}), ExitCode::kOk);
  EXPECT_EQ(Run({"explain", "route.tragets"}), ExitCode::kNotFound);
  EXPECT_THAT(err_, HasSubstr("\"tragets\" is no field of route; there are match, targets"));
  EXPECT_EQ(Run({"explain"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("\n  circuitbreaker\n"));
  EXPECT_EQ(Run({"explain", "upstream.can_continue_prefix"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("not served by this version"));
}

TEST_F(CtlTest, NobodyThereIsOneLineAndStatus3) {
  EXPECT_EQ(Run({"--server", "127.0.0.1:1", "list"}), ExitCode::kUnreachable);
  EXPECT_EQ(err_,
            "sluicectl: cannot reach the control plane at 127.0.0.1:1 (Connection refused); is it running there? "
            "Name another with --server or SLUICE_CONTROLPLANE\n");
}

TEST_F(CtlTest, CompletionIsAScriptThatBashAccepts) {
  ASSERT_EQ(Run({"completion", "bash"}), ExitCode::kOk);
  const std::string script = File("completion", out_);
  EXPECT_EQ(std::system(("bash -n " + script).c_str()), 0);
  const std::string use = ". " + script + "; COMP_WORDS=(sluicectl ro); COMP_CWORD=1; _sluicectl; test \"${COMPREPLY[*]}\" = rollback";
  EXPECT_EQ(std::system(("bash -c '" + use + "'").c_str()), 0);
}

struct UsageRow {
  const char* name;
  std::vector<std::string> args;
  const char* says;
};

class CtlUsageTest : public CtlTest, public ::testing::WithParamInterface<UsageRow> {};

TEST_P(CtlUsageTest, ExitsWith2AndSaysWhatWouldBeRight) {
  EXPECT_EQ(Run(GetParam().args), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Rows, CtlUsageTest,
    ::testing::Values(UsageRow{"NoCommand", {}, "no command was given; there are apply, get, describe"},
                      UsageRow{"UnknownCommand", {"aply", "-f", "x"}, "\"aply\" is no command; did you mean apply?"},
                      UsageRow{"UnknownCommandLikeNone", {"frob"}, "\"frob\" is no command; there are apply, get, describe"},
                      UsageRow{"UnknownOption", {"list", "--colour"}, "sluicectl: unknown option --colour"},
                      UsageRow{"MisspeltOption", {"apply", "-f", "x", "--reasn", "y"}, "unknown option --reasn; did you mean --reason?"},
                      UsageRow{"MisspeltGlobalOption", {"--timeot=3s", "list"}, "unknown option --timeot; did you mean --timeout?"},
                      UsageRow{"OptionWithoutValue", {"--timeout"}, "--timeout: 1 required"},
                      UsageRow{"OneWordTooMany", {"status", "edge-1"}, "status: \"edge-1\" is one word too many"},
                      UsageRow{"RevisionZero", {"rollback", "--to", "0"}, "\"0\" is no revision; sluicectl history lists them"},
                      UsageRow{"CertWithoutKey", {"--ca", "/etc/ssl/certs/ca-certificates.crt", "--cert", "x", "list"}, "--cert and --key belong together"},
                      UsageRow{"CaWithoutCertificate", {"--ca", "/etc/passwd", "list"}, "--ca: /etc/passwd holds no CERTIFICATE in PEM form"},
                      UsageRow{"UnknownKind", {"get", "rout/x"}, "\"rout\" is no kind; did you mean route? there are circuitbreaker, "},
                      UsageRow{"NoName", {"delete", "route"}, "write KIND/NAME, as in route/chat"},
                      UsageRow{"ApplyWithoutFile", {"apply"}, "--file"},
                      UsageRow{"BadForm", {"list", "-o", "xml"}, "xml"},
                      UsageRow{"BadLabel", {"list", "-l", "team"}, "write label=value"},
                      UsageRow{"BadTimeout", {"--timeout", "10", "list"}, "--timeout: \"10\""},
                      UsageRow{"BadServer", {"--server", "https://x", "list"}, "write host:port"},
                      UsageRow{"BadCa", {"--ca", "/no/ca.pem", "list"}, "--ca: cannot read /no/ca.pem"},
                      UsageRow{"BreakerOfNothing", {"breaker"}, "breaker: no command was given; there are list, explain, trip, reset"},
                      UsageRow{"BreakerMisspelt", {"breaker", "tripp", "openai"}, "\"tripp\" is no command of breaker; did you mean trip?"},
                      UsageRow{"BreakerMisspeltOption", {"breaker", "trip", "openai", "--fo", "5m"}, "unknown option --fo; did you mean --for?"},
                      UsageRow{"TripOfNothing", {"breaker", "trip"}, "trip: target is required"},
                      UsageRow{"TripForNoTime", {"breaker", "trip", "openai", "--for", "5"}, "--for: \"5\" is no time; write 5m"},
                      UsageRow{"TopTooOften", {"top", "-w", "--interval", "1ms"}, "--interval: \"1ms\" will not do"},
                      UsageRow{"DiffOfNothing", {"diff"}, "name files with -f, or revisions"}),
    [](const auto& info) { return std::string(info.param.name); });

class CtlHelpTest : public CtlTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(CtlHelpTest, ShowsAnExampleOfTheCommand) {
  EXPECT_EQ(Run({GetParam(), "--help"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("Examples:"));
  EXPECT_THAT(out_.substr(out_.find("Examples:")), HasSubstr(std::string("sluicectl ") + GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Commands, CtlHelpTest,
                         ::testing::Values("apply", "get", "list", "diff", "set", "delete", "history", "rollback", "status",
                                           "explain", "validate", "completion", "top", "breaker", "config", "describe",
                                           "wait", "version", "help"),
                         [](const auto& info) { return std::string(info.param); });

TEST_F(CtlTest, HelpShowsExamplesAndEveryExitStatus) {
  EXPECT_EQ(Run({"--help"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("sluicectl apply -f policy.yaml"));
  for (int code = 0; code <= static_cast<int>(ExitCode::kNotWritten); ++code) {
    EXPECT_THAT(out_, HasSubstr("\n  " + std::to_string(code) + "  ")) << code;
  }
}

}  // namespace
}  // namespace sluice::ctl
