// analyze and explain.
#include "controlplane/ctl/analysis.h"

#include "absl/strings/str_cat.h"
#include "proto/policy/kinds.h"
#include "proto/policy/yaml_loader.h"
#include "tests/ctl/run_ctl.h"

namespace sluice::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kUpstream[] = "kind: Upstream\nname: u\nformat: OPENAI\nendpoints: [{url: \"http://a:1\"}]\n---\n";
constexpr char kRoute[] = "kind: Route\nname: r\nmatch: {model: m}\ntargets: [{upstream: u}]\n";

struct AnalysisRow {
  const char* name;
  std::string policies;
  std::vector<std::string> finds;
};

class AnalysisTest : public ::testing::TestWithParam<AnalysisRow> {};

TEST_P(AnalysisTest, FindsWhatIsNotMeant) {
  const LoadResult loaded = LoadPolicyText(GetParam().policies, "p.yaml");
  ASSERT_TRUE(loaded.errors.empty()) << loaded.errors[0].ToString();
  std::vector<const v1::Resource*> all;
  for (const LoadedResource& each : loaded.resources) all.push_back(&each.resource);
  std::vector<std::string> found;
  for (const v1::Violation& finding : AnalyzePolicies(all)) {
    found.push_back(absl::StrCat(finding.code(), " ", ResourceId(finding.resource().kind(), finding.resource().name()), " ",
                                 finding.path(), ": ", finding.message()));
  }
  EXPECT_EQ(found.size(), GetParam().finds.size()) << ::testing::PrintToString(found);
  for (size_t i = 0; i < std::min(found.size(), GetParam().finds.size()); ++i) {
    EXPECT_THAT(found[i], ::testing::StartsWith(GetParam().finds[i]));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Rows, AnalysisTest,
    ::testing::Values(
        AnalysisRow{"Sound", absl::StrCat(kUpstream, kRoute), {}},
        AnalysisRow{"UnusedUpstream", "kind: Upstream\nname: x\nformat: OPENAI\nendpoints: [{url: \"http://a:1\"}]\n",
                    {"UNUSED upstream/x : nothing refers to it"}},
        AnalysisRow{"UnusedPolicies",
                    absl::StrCat(kUpstream, kRoute, "---\nkind: RetryPolicy\nname: x\nmax_attempts: 2\n---\nkind: RetryPolicy\n"
                                 "name: default\nmax_attempts: 2\n---\nkind: RateLimit\nname: y\nrequests: 1\nper: 1s\n"),
                    {"UNUSED retrypolicy/x", "UNUSED ratelimit/y"}},
        AnalysisRow{"UsedByAFallback",
                    "kind: Upstream\nname: u\nformat: OPENAI\nendpoints: [{url: \"http://a:1\"}]\n---\nkind: Fallback\nname: default\n"
                    "target: {upstream: u}\n",
                    {}},
        AnalysisRow{"NoEndpointIsActive",
                    absl::StrCat("kind: Upstream\nname: u\nformat: OPENAI\nendpoints: [{url: \"http://a:1\", state: DISABLED}]\n---\n", kRoute),
                    {"DEAD_ROUTE route/r targets: no target takes calls: no endpoint of upstream/u is active"}},
        AnalysisRow{"ATargetWithoutWeight",
                    absl::StrCat(kUpstream, "kind: Upstream\nname: v\nformat: OPENAI\nendpoints: [{url: \"http://b:1\"}]\n---\n"
                                 "kind: Route\nname: r\nmatch: {model: m}\ntargets: [{upstream: u}, {upstream: v, weight: 0}]\n"),
                    {"DEAD_TARGET route/r targets[1]: takes no calls: its weight is 0"}},
        AnalysisRow{"FirstContentAfterOverall", absl::StrCat(kUpstream, kRoute, "timeouts: {overall: 10s}\n"),
                    {"NEVER_MET route/r timeouts.first_content: 30s is never over: timeouts.overall ends the call after 10s"}},
        AnalysisRow{"WaitsAfterOverall",
                    absl::StrCat(kUpstream, kRoute, "timeouts: {overall: 9s, first_content: 2s}\n"
                                 "retry: {max_attempts: 4, backoff: {fixed: {delay: 3s}}}\n"),
                    {"NEVER_MET route/r retry: the waits before 4 attempts can take 9s, and timeouts.overall ends the call after 9s"}},
        AnalysisRow{"ExponentialWaits",
                    absl::StrCat(kUpstream, kRoute, "timeouts: {overall: 7s, first_content: 2s}\n"
                                 "retry: {max_attempts: 4, backoff: {exponential: {base: 1s, max: 10s}}}\n"),
                    {"NEVER_MET route/r retry: the waits before 4 attempts can take 7s"}},
        AnalysisRow{"SlowAfterTheCut",
                    absl::StrCat("kind: CircuitBreaker\nname: default\nslow_after: 40s\n---\n", kUpstream, kRoute),
                    {"NEVER_MET route/r timeouts.first_content: ends attempts after 30s, so that none at upstream/u"}}),
    [](const auto& info) { return std::string(info.param.name); });

using AnalyzeTest = RunCtlTest;

TEST_F(AnalyzeTest, OfFilesNeedsNoControlPlane) {
  const std::string file = File("p.yaml", absl::StrCat(kUpstream, kRoute, "fallback: none\n"));
  EXPECT_EQ(RunAlone({"--server", "127.0.0.1:1", "analyze", "-f", file}), ExitCode::kFindings) << err_;
  EXPECT_THAT(out_, HasSubstr("route/r: fallback: \"none\" does not exist"));
  EXPECT_THAT(out_, HasSubstr("1 finding in 2 resources\n"));
}

TEST_F(AnalyzeTest, OfWhatIsInForceAsksTheDataPlanesToo) {
  Given();
  EXPECT_EQ(Run({"analyze"}), ExitCode::kOk) << out_;
  EXPECT_EQ(out_, "3 resources, nothing to remark\n");
  v1::NodeFindings& node = admin_.node_findings.emplace_back();
  node.set_node_id("edge-3");
  v1::Violation* violation = node.add_violations();
  violation->mutable_resource()->set_kind("Upstream");
  violation->mutable_resource()->set_name("openai");
  violation->set_path("credential");
  violation->set_code("CREDENTIAL");
  violation->set_message("env OPENAI_API_KEY is not set here");
  EXPECT_EQ(Run({"analyze"}), ExitCode::kFindings) << err_;
  EXPECT_THAT(out_, HasSubstr("edge-3: upstream/openai: credential: env OPENAI_API_KEY is not set there\n"));
  EXPECT_EQ(Run({"analyze", "-o", "json"}), ExitCode::kFindings) << err_;
  EXPECT_THAT(out_, HasSubstr("\"code\": \"CREDENTIAL\""));
  EXPECT_THAT(out_, HasSubstr("\"node\": \"edge-3\""));
  EXPECT_EQ(Run({"analyze", "--no-nodes"}), ExitCode::kOk) << out_;
}

TEST_F(AnalyzeTest, WhoCannotBeAskedIsNamed) {
  Given();
  v1::NodeFindings& node = admin_.node_findings.emplace_back();
  node.set_node_id("edge-3");
  node.set_code(grpc::StatusCode::UNIMPLEMENTED);
  node.set_message("is older and cannot tell");
  EXPECT_EQ(Run({"analyze"}), ExitCode::kNotAcked);
  EXPECT_EQ(err_, "edge-3 could not be asked: is older and cannot tell\n");
}

class ExplainTest : public RunCtlTest {
 protected:
  std::string Explained(const std::string& path) {
    EXPECT_EQ(RunAlone({"explain", path}), ExitCode::kOk) << err_;
    return out_;
  }
  std::string Refused(const std::string& path) {
    EXPECT_EQ(RunAlone({"explain", path}), ExitCode::kNotFound) << out_;
    return err_;
  }
};

TEST_F(ExplainTest, KnowsFieldsWithoutTheirKind) {
  EXPECT_THAT(Explained("retry"), ::testing::StartsWith("route.retry   name of a RetryPolicy, or one in place"));
  EXPECT_THAT(Explained("route.retry.backoff"), ::testing::StartsWith("route.retry.backoff   Backoff\n"));
  EXPECT_THAT(Explained("retry.backoff.exponential.base"), HasSubstr("duration · default 500ms"));
  const std::string weight = Explained("endpoints.weight");
  EXPECT_THAT(weight, HasSubstr(".endpoints.weight   integer · default 1"));
  EXPECT_THAT(weight, HasSubstr("See also: "));
  EXPECT_THAT(Explained("upstream.endpoints[backup].weight"), HasSubstr("upstream.endpoints.weight"));
}

TEST_F(ExplainTest, SuggestsWhatMayBeMeant) {
  EXPECT_EQ(Refused("route.tragets"), "sluicectl: \"tragets\" is no field of route; did you mean targets?\n");
  EXPECT_EQ(Refused("rout"), "sluicectl: \"rout\" is neither a kind nor a field; did you mean route?\n");
  EXPECT_EQ(Refused("endpoints.wieght"), "sluicectl: \"wieght\" is no field of endpointlist.endpoints; did you mean weight?\n");
  EXPECT_THAT(Refused("jitter"), HasSubstr("\"jitter\" is a field of several things: "));
  EXPECT_THAT(Refused("jitter"), HasSubstr("retrypolicy.backoff.exponential.jitter"));
  EXPECT_EQ(Refused("xyzzy"), "sluicectl: \"xyzzy\" is neither a kind nor a field; sluicectl explain lists the kinds\n");
}

// Fields and the fields below them, a message once.
void Walk(const google::protobuf::Descriptor& message, const std::string& path, std::set<const void*>& seen,
          std::vector<std::string>& paths) {
  if (!seen.insert(&message).second) return;
  for (int i = 0; i < message.field_count(); ++i) {
    const auto& field = *message.field(i);
    paths.push_back(absl::StrCat(path, ".", field.name()));
    if (field.message_type() != nullptr && !field.is_map() && field.message_type()->file() == message.file()) {
      const auto* inline_field = field.message_type()->FindFieldByName("inline");
      Walk(inline_field == nullptr ? *field.message_type() : *inline_field->message_type(), paths.back(), seen, paths);
    }
  }
}

TEST_F(ExplainTest, SaysNothingThatOnlyItsMakersKnow) {
  std::vector<std::string> paths = {""};
  for (const auto* kind : Kinds()) {
    std::set<const void*> seen;
    paths.push_back(std::string(kind->message_type()->name()));
    Walk(*kind->message_type(), std::string(kind->message_type()->name()), seen, paths);
  }
  ASSERT_GT(paths.size(), 100u);
  for (const std::string& path : paths) {
    EXPECT_THAT(Explained(path), Not(::testing::ContainsRegex("[Rr]ows? [A-Z][0-9]"))) << path;
  }
}

}  // namespace
}  // namespace sluice::ctl
