// apply, diff and set beyond the plain case: what others changed, what is
// pruned, what data planes say, other epochs, and nodes that are not there.
#include "proto/policy/yaml_loader.h"
#include "tests/ctl/run_ctl.h"

namespace sluice::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using ApplyTest = RunCtlTest;

TEST_F(ApplyTest, ALostDataPlaneIsNamedAndEndsWith8) {
  admin_.await.set_lost(1);
  *admin_.await.add_nodes() = NodeIn("edge-3", v1::NODE_STATE_LOST, 6);
  EXPECT_EQ(Run({"apply", "-f", File("policy.yaml", kTwoEndpoints)}), ExitCode::kNotAcked);
  EXPECT_THAT(out_, HasSubstr("revision 1 · acked by 2/3 data planes, 1 LOST in 41 ms\n"));
  EXPECT_EQ(err_, "edge-3: LOST since 2m; it runs revision 6. Gone for good? sluicectl node forget edge-3\n");
}

TEST_F(ApplyTest, ADataPlaneOfAnotherEpochIsNamedAndEndsWith8) {
  admin_.await.set_mismatched(1);
  v1::NodeStatus node = NodeIn("edge-4", v1::NODE_STATE_EPOCH_MISMATCH, 41);
  node.set_epoch("ab12");
  node.set_last_error("runs revision 41 of another store; sluicectl apply --adopt goes on from what it runs");
  *admin_.await.add_nodes() = node;
  EXPECT_EQ(Run({"apply", "-f", File("policy.yaml", kTwoEndpoints)}), ExitCode::kNotAcked);
  EXPECT_THAT(out_, HasSubstr("acked by 2/3 data planes, 1 EPOCH MISMATCH"));
  EXPECT_EQ(err_,
            "edge-4: EPOCH MISMATCH: runs revision 41 of another store; sluicectl apply --adopt goes on from what it runs\n");
}

TEST_F(ApplyTest, EveryChangeNamesLostNodes) {
  Given();
  admin_.await.set_lost(1);
  *admin_.await.add_nodes() = NodeIn("edge-3", v1::NODE_STATE_LOST, 1);
  EXPECT_EQ(Run({"set", "retrypolicy/default", "max_attempts=4"}), ExitCode::kNotAcked);
  EXPECT_THAT(err_, HasSubstr("edge-3: LOST"));
  EXPECT_EQ(Run({"rollback", "--to", "1"}), ExitCode::kNotAcked);
  EXPECT_EQ(Run({"delete", "retrypolicy/default"}), ExitCode::kNotAcked);
}

TEST_F(ApplyTest, ARefusalOutweighsALostNode) {
  admin_.await.set_lost(1);
  admin_.await.set_nacked(1);
  *admin_.await.add_nodes() = NodeIn("edge-1", v1::NODE_STATE_NACKED, 0);
  EXPECT_EQ(Run({"apply", "-f", File("policy.yaml", kTwoEndpoints)}), ExitCode::kNodeRefused);
}

TEST_F(ApplyTest, AFileFromGetDoesNotOverwriteWhatChangedMeanwhile) {
  Given();
  const std::string file = File("chat.yaml", "kind: RetryPolicy\nname: default\netag: etag-1\nmax_attempts: 5\n");
  ASSERT_EQ(Run({"set", "retrypolicy/default", "max_attempts=4"}), ExitCode::kOk) << err_;
  EXPECT_EQ(Run({"apply", "-f", file}), ExitCode::kConflict);
  EXPECT_THAT(err_, HasSubstr("retrypolicy/default: etag \"etag-1\" is out of date"));
  EXPECT_THAT(err_, HasSubstr("nothing was changed\n"));
  EXPECT_THAT(err_, HasSubstr("--force overwrites"));
  EXPECT_EQ(Run({"apply", "-f", file, "--force"}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, HasSubstr("max_attempts: 4 → 5"));
}

TEST_F(ApplyTest, PruneShowsFirstWhatGoesAndDeletesItInTheSameRevision) {
  Given();
  const std::string file = File("less.yaml", "kind: RetryPolicy\nname: default\nmax_attempts: 3\n---\nkind: RetryPolicy\n"
                                             "name: other\nmax_attempts: 2\n");
  EXPECT_EQ(Run({"apply", "-f", file, "--prune", "--all"}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, ::testing::StartsWith("not in the files, to be deleted (everything):\n"
                                          "  route/chat\n  upstream/openai\n"));
  EXPECT_THAT(out_, HasSubstr("retrypolicy/other created\nroute/chat deleted\nupstream/openai deleted\nrevision 2 "));
  ASSERT_EQ(admin_.applied.size(), 3u);
  EXPECT_TRUE(admin_.applied[1].validate_only());
  EXPECT_FALSE(admin_.applied[2].validate_only());
}

TEST_F(ApplyTest, PruneOnATerminalAsks) {
  Given();
  const std::string file = File("less.yaml", "kind: RetryPolicy\nname: default\nmax_attempts: 3\n");
  answers_ = "n\n";
  EXPECT_NE(Run({"apply", "-f", file, "--prune", "--all"}), ExitCode::kOk);
  EXPECT_THAT(err_, HasSubstr("Delete 2 resources? [y/N]"));
  EXPECT_EQ(Run({"get", "route/chat", "-o", "name"}), ExitCode::kOk);
  answers_ = "y\n";
  EXPECT_EQ(Run({"apply", "-f", file, "--prune", "--all"}), ExitCode::kOk);
  answers_.reset();
  EXPECT_EQ(Run({"get", "route/chat"}), ExitCode::kNotFound);
}

TEST_F(ApplyTest, PruneKeepsToItsScope) {
  Given();
  const std::string file = File("less.yaml", "kind: RetryPolicy\nname: other\nmax_attempts: 3\n");
  EXPECT_EQ(Run({"apply", "-f", file, "--prune", "--prune-kind", "retrypolicies", "--dry-run"}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, HasSubstr("retrypolicy/default deleted (dry run)"));
  EXPECT_THAT(out_, Not(HasSubstr("route/chat")));
  EXPECT_EQ(Run({"apply", "-f", file, "--prune", "-l", "team=search", "--dry-run"}), ExitCode::kInvalidPolicy);
  ASSERT_TRUE(admin_.applied.back().has_prune());
  EXPECT_EQ(admin_.applied.back().prune().labels().at("team"), "search");
}

TEST_F(ApplyTest, DiffShowsWhatPruneWouldTake) {
  Given();
  const std::string file = File("less.yaml", "kind: RetryPolicy\nname: default\nmax_attempts: 3\n");
  EXPECT_EQ(Run({"diff", "-f", file}), ExitCode::kOk) << err_;
  EXPECT_EQ(out_, "no differences\n");
  EXPECT_EQ(Run({"diff", "-f", file, "--prune", "--all"}), ExitCode::kOk) << err_;
  EXPECT_EQ(out_, "- route/chat\n- upstream/openai\n");
}

TEST_F(ApplyTest, DryRunOnTheServerSaysWhatDataPlanesWouldRefuse) {
  v1::NodeFindings& node = admin_.node_findings.emplace_back();
  node.set_node_id("edge-3");
  v1::Violation* violation = node.add_violations();
  violation->mutable_resource()->set_kind("Upstream");
  violation->mutable_resource()->set_name("openai");
  violation->set_path("credential");
  violation->set_message("env OPENAI_API_KEY is not set here");
  const std::string file = File("policy.yaml", kTwoEndpoints);
  EXPECT_EQ(Run({"apply", "-f", file, "--dry-run=server"}), ExitCode::kNodeRefused);
  EXPECT_EQ(err_, "edge-3 would refuse: upstream/openai: credential: env OPENAI_API_KEY is not set there\n");
  EXPECT_THAT(out_, HasSubstr("route/chat created (dry run)\n"));
  EXPECT_THAT(out_, HasSubstr("nothing was changed (dry run)\n"));
  EXPECT_EQ(Run({"get", "route/chat"}), ExitCode::kNotFound);
  // Plain and client ask nobody.
  EXPECT_EQ(Run({"apply", "-f", file, "--dry-run"}), ExitCode::kOk) << err_;
  EXPECT_EQ(Run({"--server", "127.0.0.1:1", "apply", "-f", file, "--dry-run=client"}), ExitCode::kOk) << err_;
  EXPECT_EQ(out_, "3 resources are valid\nnothing was changed (dry run)\n");
  node.clear_violations();
  node.set_code(grpc::StatusCode::DEADLINE_EXCEEDED);
  node.set_message("no answer within 5 s");
  EXPECT_EQ(Run({"apply", "-f", file, "--dry-run=server"}), ExitCode::kNotAcked);
  EXPECT_EQ(err_, "edge-3: no answer within 5 s\n");
}

// It would take what it does not know for nothing: apply without deleting, say
// that all is well without asking.
TEST_F(ApplyTest, AnOlderControlPlaneIsNotAskedForWhatItDoesNotKnow) {
  Given();
  admin_.info.reset();
  const std::string file = File("p.yaml", "kind: RetryPolicy\nname: other\nmax_attempts: 2\n");
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"apply", "--prune", "--all"}, {"apply", "--dry-run=server"}, {"diff", "--prune", "--all"}}) {
    std::vector<std::string> args = more;
    args.insert(args.end(), {"-f", file});
    EXPECT_EQ(Run(args), ExitCode::kUnreachable) << more[1];
    EXPECT_EQ(out_, "");
  }
  EXPECT_EQ(admin_.applied.size(), 1u);
}

TEST_F(ApplyTest, AdoptTakesOverWhatDataPlanesRunAndThenApplies) {
  admin_.adopt_answer.set_revision(1);
  admin_.adopt_answer.set_adopted_epoch("ab12");
  admin_.adopt_answer.set_adopted_revision(41);
  for (const char* node : {"edge-1", "edge-2"}) admin_.adopt_answer.add_node_ids(node);
  EXPECT_EQ(Run({"apply", "--adopt", "-f", File("policy.yaml", kTwoEndpoints)}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, ::testing::StartsWith(
                        "adopted revision 41 of epoch ab12 from 2 data planes (edge-1, edge-2) as revision 1\nupstream/openai"));
  EXPECT_EQ(Run({"apply", "--adopt"}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, HasSubstr("revision 1 · acked by 2/2 data planes"));
}

TEST_F(ApplyTest, AdoptOfDifferentPoliciesIsRefused) {
  admin_.refusal = grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                                "data planes run different policies: edge-1 41, edge-2 40");
  EXPECT_EQ(Run({"apply", "--adopt"}), ExitCode::kConflict);
  EXPECT_EQ(err_, "sluicectl: data planes run different policies: edge-1 41, edge-2 40\nnothing was changed\n");
}

class NewEpochTest : public RunCtlTest {
 protected:
  NewEpochTest() {
    v1::EpochLoss* loss = admin_.replace_answer.add_losses();
    loss->set_epoch("ab12");
    loss->set_revision(41);
    loss->add_node_ids("edge-1");
    v1::Change* change = loss->add_changes();
    change->mutable_resource()->set_kind("Route");
    change->mutable_resource()->set_name("old");
    change->set_action(v1::CHANGE_ACTION_DELETED);
  }
};

TEST_F(NewEpochTest, ShowsWhatIsLostAndNeedsAYes) {
  const std::string file = File("policy.yaml", kTwoEndpoints);
  EXPECT_EQ(Run({"apply", "--new-epoch", "-f", file}), ExitCode::kUsage);
  EXPECT_EQ(out_, "1 data plane (edge-1) with revision 41 of epoch ab12:\n- route/old\n");
  EXPECT_THAT(err_, HasSubstr("--new-epoch needs --yes where nobody can be asked"));
  EXPECT_TRUE(admin_.applied.empty());
  answers_ = "y\n";
  EXPECT_EQ(Run({"apply", "--new-epoch", "-f", file}), ExitCode::kOk) << err_;
  ASSERT_EQ(admin_.replaces.size(), 3u);
  EXPECT_TRUE(admin_.replaces[1].validate_only());
  EXPECT_EQ(admin_.replaces[1].resources_size(), 3);
  EXPECT_FALSE(admin_.replaces[2].validate_only());
}

TEST_F(NewEpochTest, WithYesAsksNobody) {
  EXPECT_EQ(Run({"apply", "--new-epoch", "--yes", "-f", File("policy.yaml", kTwoEndpoints)}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, HasSubstr("- route/old"));
  EXPECT_EQ(admin_.replaces.size(), 2u);
}

TEST_F(NewEpochTest, WhatIsRefusedReplacesNothing) {
  const std::string file = File("bad.yaml", "kind: Route\nname: r\nmatch: {model: m}\ntargets: [{upstream: none}]\n");
  EXPECT_EQ(Run({"apply", "--new-epoch", "--yes", "-f", file}), ExitCode::kInvalidPolicy);
  for (const v1::ReplaceEpochsRequest& request : admin_.replaces) EXPECT_TRUE(request.validate_only());
}

TEST_F(ApplyTest, SetNamesEndpointsByName) {
  Given();
  EXPECT_EQ(Run({"set", "upstream/openai", "endpoints[backup].weight=5"}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, HasSubstr("endpoints[backup].weight: (not set) → 5\n"));
  EXPECT_EQ(Run({"set", "upstream/openai", "endpoints[api.openai.com:443].weight=2"}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, HasSubstr("endpoints[0].weight: (not set) → 2\n"));
  EXPECT_EQ(Run({"set", "route/chat", "targets[openai].weight=7"}), ExitCode::kOk) << err_;
  EXPECT_EQ(Run({"set", "upstream/openai", "endpoints[bakup].weight=5"}), ExitCode::kInvalidPolicy);
  EXPECT_THAT(err_, HasSubstr("has no entry called \"bakup\"; did you mean \"backup\"?"));
}

TEST_F(ApplyTest, ErrorsNameEndpointsByNameAndTheirLine) {
  const std::string file = File("bad.yaml", "kind: Upstream\nname: u\nformat: OPENAI\nendpoints:\n"
                                            "- {name: a, url: \"http://a:1\"}\n- name: b\n  url: http://b:1\n  weight: 99999999\n");
  EXPECT_EQ(Run({"validate", "-f", file}), ExitCode::kInvalidPolicy);
  EXPECT_THAT(err_, HasSubstr("bad.yaml:8: upstream/u: endpoints[b].weight: "));
}

struct UsageRow {
  const char* name;
  std::vector<std::string> args;
  const char* says;
};

class ApplyUsageTest : public RunCtlTest, public ::testing::WithParamInterface<UsageRow> {};

TEST_P(ApplyUsageTest, IsOneLineAndExit2) {
  File("p.yaml", "kind: RetryPolicy\nname: x\nmax_attempts: 2\n");
  std::vector<std::string> args = GetParam().args;
  for (std::string& arg : args) {
    if (arg == "FILE") arg = Path("p.yaml");
  }
  EXPECT_EQ(Run(args), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr(GetParam().says));
  EXPECT_EQ(std::count(err_.begin(), err_.end(), '\n'), 1) << err_;
  EXPECT_EQ(out_, "");
}

INSTANTIATE_TEST_SUITE_P(
    Rows, ApplyUsageTest,
    ::testing::Values(
        UsageRow{"NoFiles", {"apply"}, "apply: name files or folders with -f"},
        UsageRow{"PruneWithoutScope", {"apply", "-f", "FILE", "--prune"}, "--prune needs a scope: -l label=value"},
        UsageRow{"ScopeWithoutPrune", {"apply", "-f", "FILE", "--all"}, "add --prune, or leave them out"},
        UsageRow{"PruneBadLabel", {"apply", "-f", "FILE", "--prune", "-l", "team"}, "-l: \"team\" is no condition"},
        UsageRow{"PruneBadKind", {"apply", "-f", "FILE", "--prune", "--prune-kind", "rout"}, "\"rout\" is no kind"},
        UsageRow{"PruneOfNothing", {"apply", "--adopt", "--prune", "--all"}, "name them with -f"},
        UsageRow{"DryRunUnknown", {"apply", "-f", "FILE", "--dry-run=sever"}, "sever"},
        UsageRow{"AdoptAndNewEpoch", {"apply", "-f", "FILE", "--adopt", "--new-epoch"}, "--adopt"},
        UsageRow{"DiffPruneOfRevisions", {"diff", "--from", "1", "--prune", "--all"}, "name them with -f"},
        UsageRow{"BackupWithoutFile", {"backup"}, "file is required"},
        UsageRow{"BackupToStdout", {"backup", "-"}, "give a file in place of -"},
        UsageRow{"BackupOverAFile", {"backup", "FILE"}, "exists; --force overwrites it"},
        UsageRow{"NodeOfNothing", {"node"}, "node: no command was given; there are list, forget"},
        UsageRow{"ForgetNobody", {"node", "forget"}, "nodes is required"},
        UsageRow{"ContextWithoutServer", {"--server", "", "context", "set", "x"}, "name a server with --server"},
        UsageRow{"ContextBadName", {"context", "set", "a b"}, "is no name of a context"},
        UsageRow{"ContextBadGateway", {"context", "set", "x", "--gateway", "llm"}, "--gateway: \"llm\" is no address"},
        UsageRow{"ContextMissingCa", {"context", "set", "x", "--ca", "/no/ca.pem"}, "--ca: there is no file /no/ca.pem"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace sluice::ctl
