// What Apply does beside putting in place: pruning, refusing what changed
// meanwhile, telling the log.
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "proto/policy/kinds.h"
#include "tests/controlplane/in_process_server.h"
#include "tests/controlplane/log_lines.h"

namespace sluice {
namespace {

using grpc::StatusCode;
using testing::AllOf;
using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::SizeIs;

v1::Resource Labelled(v1::Resource resource, const std::string& value) {
  (*resource.mutable_meta()->mutable_labels())["team"] = value;
  return resource;
}

class AdminApplyTest : public testing::Test {
 protected:
  grpc::Status Apply(const v1::ApplyRequest& request) {
    grpc::ClientContext context;
    return server_.admin().Apply(&context, request, &applied_);
  }

  v1::ApplyRequest Request(const std::vector<v1::Resource>& resources) {
    v1::ApplyRequest request;
    for (const v1::Resource& resource : resources) *request.add_resources() = resource;
    return request;
  }

  v1::Resource Get(const std::string& kind, const std::string& name) {
    return *(*server_.store().Current())->resources.at({kind, name});
  }

  // "retrypolicy/b".
  std::vector<std::string> Held() {
    std::vector<std::string> names;
    for (const auto& [key, resource] : (*server_.store().Current())->resources) {
      names.push_back(ResourceId(key.kind, key.name));
    }
    return names;
  }

  static std::vector<std::string> Deleted(const google::protobuf::RepeatedPtrField<v1::Change>& changes) {
    std::vector<std::string> names;
    for (const v1::Change& change : changes) {
      if (change.action() != v1::CHANGE_ACTION_DELETED) continue;
      names.push_back(ResourceId(change.resource().kind(), change.resource().name()));
    }
    return names;
  }

  LogLines log_;
  InProcessServer server_;
  v1::ApplyResponse applied_;
};

struct PruneCase {
  std::string name;
  std::vector<std::string> kinds;
  std::string team;
  bool all = false;
  std::vector<std::string> deleted;
};

class PruneTest : public AdminApplyTest, public testing::WithParamInterface<PruneCase> {
 protected:
  v1::Prune Scope() {
    v1::Prune prune;
    for (const std::string& kind : GetParam().kinds) prune.add_kinds(kind);
    if (!GetParam().team.empty()) (*prune.mutable_labels())["team"] = GetParam().team;
    prune.set_all(GetParam().all);
    return prune;
  }
};

TEST_P(PruneTest, DeletesWhatIsInItsScopeAndNotAppliedInOneRevision) {
  server_.Apply({Labelled(MakeUpstream("a"), "x"), Labelled(MakeUpstream("b"), "y"),
                 Labelled(MakeRetryPolicy("a", 1), "x"), MakeRetryPolicy("kept", 1)});
  v1::ApplyRequest request = Request({MakeRetryPolicy("kept", 2), MakeRetryPolicy("new", 1)});
  *request.mutable_prune() = Scope();
  v1::DiffRequest diff;
  *diff.mutable_resources() = request.resources();
  *diff.mutable_prune() = request.prune();
  v1::DiffResponse difference;
  grpc::ClientContext context;
  ASSERT_TRUE(server_.admin().Diff(&context, diff, &difference).ok());
  EXPECT_EQ(Deleted(difference.changes()), GetParam().deleted);
  ASSERT_TRUE(Apply(request).ok());
  EXPECT_EQ(Deleted(applied_.changes()), GetParam().deleted);
  EXPECT_EQ(applied_.revision(), 2);
  EXPECT_EQ(Held().size(), 5 - GetParam().deleted.size());
  EXPECT_EQ(Get("RetryPolicy", "kept").retry_policy().max_attempts(), 2);
}

INSTANTIATE_TEST_SUITE_P(
    Scopes, PruneTest,
    testing::Values(PruneCase{"All", {}, "", true, {"retrypolicy/a", "upstream/a", "upstream/b"}},
                    PruneCase{"OneKind", {"upstreams"}, "", false, {"upstream/a", "upstream/b"}},
                    PruneCase{"TwoKinds", {"Upstream", "retry_policy"}, "", false,
                              {"retrypolicy/a", "upstream/a", "upstream/b"}},
                    PruneCase{"Labels", {}, "x", false, {"retrypolicy/a", "upstream/a"}},
                    PruneCase{"LabelsOfOneKind", {"upstream"}, "x", false, {"upstream/a"}},
                    PruneCase{"AllOfOneKind", {"retrypolicy"}, "", true, {"retrypolicy/a"}},
                    PruneCase{"NothingInScope", {}, "z", false, {}}),
    [](const auto& info) { return info.param.name; });

TEST_F(AdminApplyTest, PruneWithoutScopeOrWithAWrongOneIsRefused) {
  server_.Apply({MakeUpstream("a")});
  v1::ApplyRequest request = Request({MakeUpstream("b")});
  request.mutable_prune();
  grpc::Status status = Apply(request);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "prune: has no scope, so that it would delete all; set labels, kinds or all");
  request.mutable_prune()->add_kinds("Upstrem");
  status = Apply(request);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("prune.kinds[0]: \"Upstrem\" is not a kind"));
  EXPECT_THAT(Held(), ElementsAre("upstream/a"));
}

TEST_F(AdminApplyTest, WhatIsStillReferredToIsNotPrunedAndWhoRefersIsNamed) {
  server_.Apply({MakeUpstream("a"), MakeUpstream("b"), MakeRoute("chat", "a")});
  v1::ApplyRequest request = Request({MakeUpstream("c")});
  request.mutable_prune()->add_kinds("Upstream");
  const grpc::Status status = Apply(request);
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(status.error_message(), "nothing was changed: upstream/a is referred to by route/chat");
  EXPECT_THAT(Held(), SizeIs(3));
  // Diff shows both: what would go, and what would dangle.
  v1::DiffRequest diff;
  *diff.mutable_resources() = request.resources();
  *diff.mutable_prune() = request.prune();
  v1::DiffResponse difference;
  grpc::ClientContext context;
  ASSERT_TRUE(server_.admin().Diff(&context, diff, &difference).ok());
  EXPECT_THAT(Deleted(difference.changes()), ElementsAre("upstream/a", "upstream/b"));
  ASSERT_EQ(difference.violations_size(), 1);
  EXPECT_EQ(difference.violations(0).resource().name(), "chat");
  // References are those of the result: the same request may move them.
  *request.add_resources() = MakeRoute("chat", "c");
  EXPECT_TRUE(Apply(request).ok());
  EXPECT_THAT(Held(), ElementsAre("route/chat", "upstream/c"));
}

TEST_F(AdminApplyTest, AConflictTellsWhatChangedMeanwhileAndWhoDid) {
  server_.Apply({MakeRetryPolicy("default", 3)});
  v1::Resource mine = Get("RetryPolicy", "default");
  v1::ApplyRequest theirs = Request({MakeRetryPolicy("default", 5)});
  theirs.set_author("anna");
  theirs.set_reason("provider\nincident");
  ASSERT_TRUE(Apply(theirs).ok());
  mine.mutable_retry_policy()->set_max_attempts(7);
  const grpc::Status status = Apply(Request({mine}));
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(),
              MatchesRegex("retrypolicy/default: etag \"[0-9a-f]+-1\" is out of date: revision 2 by anna .provider "
                           "incident., [0-9]+s ago: retrypolicy/default max_attempts: 3 -> 5; read it again"));
}

TEST_F(AdminApplyTest, AConflictTellsTheNewestOfManyChangesSinceItWasRead) {
  server_.Apply({MakeRetryPolicy("default", 1)});
  server_.Apply({MakeRetryPolicy("default", 2)});
  v1::Resource mine = Get("RetryPolicy", "default");
  for (int attempts = 3; attempts < 7; ++attempts) server_.Apply({MakeRetryPolicy("default", attempts)});
  mine.mutable_retry_policy()->set_max_attempts(9);
  const std::string message = Apply(Request({mine})).error_message();
  EXPECT_THAT(message,
              ContainsRegex("revision 6, [0-9]+s ago: .*5 -> 6; revision 5, [0-9]+s ago: .*4 -> 5 and 2 more"));
  mine.mutable_meta()->set_etag("of-elsewhere");
  EXPECT_THAT(Apply(Request({mine})).error_message(),
              AllOf(HasSubstr("revision 6"), testing::Not(HasSubstr("revision 5"))));
}

TEST_F(AdminApplyTest, ForceOverwritesWhatChangedMeanwhile) {
  server_.Apply({MakeRetryPolicy("default", 3)});
  v1::Resource mine = Get("RetryPolicy", "default");
  server_.Apply({MakeRetryPolicy("default", 5)});
  mine.mutable_retry_policy()->set_max_attempts(7);
  v1::ApplyRequest request = Request({mine});
  EXPECT_EQ(Apply(request).error_code(), StatusCode::ABORTED);
  request.set_force(true);
  ASSERT_TRUE(Apply(request).ok());
  EXPECT_EQ(Get("RetryPolicy", "default").retry_policy().max_attempts(), 7);
}

TEST_F(AdminApplyTest, EachChangeAndEachRefusalIsALineOfTheLog) {
  v1::ApplyRequest request = Request({MakeRetryPolicy("default", 2), MakeUpstream("a")});
  request.set_author("anna");
  ASSERT_TRUE(Apply(request).ok());
  request = Request({MakeRetryPolicy("default", 3)});
  request.set_author("anna\x1b[2J");
  request.set_reason("provider incident");
  ASSERT_TRUE(Apply(request).ok());
  // Nothing changes; only checked.
  ASSERT_TRUE(Apply(request).ok());
  request = Request({MakeRoute("chat", "missing")});
  request.set_author("ben");
  request.set_validate_only(true);
  ASSERT_FALSE(Apply(request).ok());
  request.set_validate_only(false);
  ASSERT_FALSE(Apply(request).ok());
  EXPECT_THAT(log_.Take(),
              ElementsAre("info revision 1 by anna: retrypolicy/default created; upstream/a created",
                          "info revision 2 by anna [2J (provider incident): retrypolicy/default max_attempts: 2 -> 3",
                          MatchesRegex("warning Apply by ben refused: INVALID_ARGUMENT: refused, nothing was changed: "
                                       "route/chat: targets.0..upstream: .*")));
}

TEST_F(AdminApplyTest, ALargeChangeIsOneBoundedLine) {
  std::vector<v1::Resource> many;
  for (int i = 0; i < 1000; ++i) many.push_back(MakeRetryPolicy("p" + std::to_string(i), 1));
  server_.Apply(many);
  const std::vector<std::string> lines = log_.Take();
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], HasSubstr("retrypolicy/p0 created"));
  EXPECT_THAT(lines[0], HasSubstr(" and 995 more"));
  EXPECT_LT(lines[0].size(), 1000u);
}

}  // namespace
}  // namespace sluice
