// What a data plane says of policies that it does not run yet.
#include "server/config/policy_check.h"

#include <gmock/gmock.h>

#include "proto/policy/kinds.h"
#include "tests/config/compile_fixture.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PolicyCheckTest : public CompileFixture {
 protected:
  void SetUp() override {
    CompileFixture::SetUp();
    held_ = ApplyUpdate({}, MakeUpdate(kTwoEndpoints, 5)).set;
  }

  // As "CODE resource: path: message".
  std::vector<std::string> Check(const std::string& upserts, const std::vector<std::string>& removed_routes = {}) {
    v1::PolicyCheckQuery query;
    if (!upserts.empty()) *query.mutable_upserts() = MakeUpdate(upserts, 0).upserts();
    for (const std::string& name : removed_routes) {
      query.add_removals()->set_kind("Route");
      query.mutable_removals()->rbegin()->set_name(name);
    }
    return Lines(query);
  }

  std::vector<std::string> Lines(const v1::PolicyCheckQuery& query) {
    const v1::PolicyCheck check = CheckPolicies(held_, query, options_, kCompileTime);
    std::vector<std::string> lines;
    for (const v1::Violation& violation : check.violations()) {
      lines.push_back(violation.code() + " " + ViolationText(violation));
    }
    return lines;
  }

  ResourceSet held_;
  ConfigOptions options_;
};

std::string Upstream(const std::string& fields) {
  return "{kind: Upstream, name: openai, format: OPENAI, " + fields + "}";
}

TEST_F(PolicyCheckTest, WhatItCouldRunHasNoViolations) {
  EXPECT_THAT(Check("{kind: RetryPolicy, name: default}"), IsEmpty());
  EXPECT_THAT(Check(Upstream("endpoints: [{url: \"https://other.example/v1\"}]")), IsEmpty());
  EXPECT_THAT(Check("", {"chat"}), IsEmpty());
}

TEST_F(PolicyCheckTest, ItsOwnSecretsFilesAndHostsAreAmongTheReasons) {
  options_.allow.hosts = {"api.openai.com", "::1"};
  EXPECT_THAT(Check(Upstream("credential: env:CHECK_NOT_SET, endpoints: [{url: \"https://api.openai.com/v1\"}]")),
              ElementsAre(HasSubstr("CREDENTIAL upstream/openai: credential: ")));
  EXPECT_THAT(Check(Upstream("endpoints: [{url: \"https://elsewhere.example/v1\"}]")),
              ElementsAre(HasSubstr("HOST_NOT_ALLOWED upstream/openai: endpoints[0].url: ")));
  EXPECT_THAT(Check(Upstream("endpoints: [{url: \"https://api.openai.com/v1\"}], tls: {ca_file: /not/here.pem}")),
              ElementsAre(HasSubstr("/not/here.pem")));
}

TEST_F(PolicyCheckTest, WhatIsHeldAndNotInTheQueryCounts) {
  v1::PolicyCheckQuery query;
  query.add_removals()->set_kind("Upstream");
  query.mutable_removals(0)->set_name("openai");
  EXPECT_THAT(Lines(query), ElementsAre(HasSubstr("UNKNOWN_REFERENCE route/chat: targets[0].upstream: ")));
}

TEST_F(PolicyCheckTest, WhatItCannotReadIsNamed) {
  v1::PolicyCheckQuery query;
  query.add_upserts()->set_kind("Novelty");
  query.mutable_upserts(0)->set_name("x");
  EXPECT_THAT(Lines(query), ElementsAre(HasSubstr("UNKNOWN_KIND")));
}

TEST_F(PolicyCheckTest, ManyReasonsAreBounded) {
  std::string all;
  for (int i = 0; i < 200; ++i) {
    all += "---\n{kind: Route, name: r" + std::to_string(i) + ", match: {model: m" + std::to_string(i) +
           "}, targets: [{upstream: missing}]}\n";
  }
  EXPECT_EQ(Check(all).size(), 50u);
}

TEST_F(PolicyCheckTest, WithNothingHeldTheChangeIsAll) {
  held_ = {};
  EXPECT_THAT(Check(kTwoEndpoints), IsEmpty());
}

}  // namespace
}  // namespace sluice
