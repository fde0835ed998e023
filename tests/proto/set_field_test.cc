// `sluicectl set`: one field by its path.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/policy/yaml_loader.h"
#include "proto/policy/yaml_printer.h"

namespace sluice {
namespace {

v1::Resource Load(const std::string& yaml) {
  const LoadResult loaded = LoadPolicyText(yaml, "p.yaml");
  EXPECT_TRUE(loaded.errors.empty());
  return loaded.resources.at(0).resource;
}

constexpr char kRoute[] = "kind: Route\nname: chat\nmatch:\n  model: m\ntargets:\n- upstream: a\n";
constexpr char kUpstream[] =
    "kind: Upstream\nname: u\nendpoints:\n- url: http://a\n- url: http://b\n";
constexpr char kRetry[] = "kind: RetryPolicy\nname: r\nmax_attempts: 3\n";

struct Row {
  std::string name;
  std::string before;
  std::string path;
  std::string value;
  std::string result;  // the YAML after it, or the error
};

class SetFieldTest : public ::testing::TestWithParam<Row> {};

TEST_P(SetFieldTest, Sets) {
  v1::Resource resource = Load(GetParam().before);
  const absl::Status status = SetPolicyField(resource, GetParam().path, GetParam().value);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(PrintPolicyYaml(resource), GetParam().result);
}

const std::string kTop = "kind: RetryPolicy\nname: r\n";

INSTANTIATE_TEST_SUITE_P(
    Rows, SetFieldTest,
    ::testing::Values(
        Row{"Number", kRetry, "max_attempts", "4", kTop + "max_attempts: 4\n"},
        Row{"Unset", kRetry, "max_attempts", "null", kTop},
        Row{"Deep", kRetry, "backoff.exponential.base", "100ms",
            std::string(kRetry) + "backoff:\n  exponential:\n    base: 100ms\n"},
        Row{"Map", kRetry, "backoff", "{fixed: {delay: 1s}}",
            std::string(kRetry) + "backoff:\n  fixed:\n    delay: 1s\n"},
        Row{"List", kRetry, "retry_on", "[TIMEOUT]", std::string(kRetry) + "retry_on: [TIMEOUT]\n"},
        Row{"UnsetInWhatIsNotThere", kRetry, "backoff.fixed.delay", "null", kRetry},
        Row{"Label", kRetry, "labels.team", "search",
            kTop + "labels:\n  team: search\nmax_attempts: 3\n"},
        Row{"LabelWithPoints", kRetry, "labels[\"a.b/c\"]", "x",
            kTop + "labels:\n  a.b/c: x\nmax_attempts: 3\n"},
        Row{"LabelReplaced", kTop + "labels:\n  a: x\n  b: w\n", "labels.a", "z",
            kTop + "labels:\n  a: z\n  b: w\n"},
        Row{"LabelUnset", kTop + "labels:\n  a: x\n  b: w\n", "labels.a", "null",
            kTop + "labels:\n  b: w\n"},
        Row{"Element", kUpstream, "endpoints[1].weight", "0",
            std::string(kUpstream) + "  weight: 0\n"},
        Row{"ElementByItsName", std::string(kUpstream) + "  name: b\n", "endpoints[b].weight", "0",
            "kind: Upstream\nname: u\nendpoints:\n- url: http://a\n- name: b\n  url: http://b\n  weight: 0\n"},
        Row{"ElementByItsHost", kUpstream, "endpoints[b:80].weight", "0", std::string(kUpstream) + "  weight: 0\n"},
        Row{"TargetByItsUpstream", kRoute, "targets[a].weight", "2", std::string(kRoute) + "  weight: 2\n"},
        Row{"ElementUnset", kUpstream, "endpoints[0]", "null",
            "kind: Upstream\nname: u\nendpoints:\n- url: http://b\n"},
        Row{"ElementReplaced", kUpstream, "endpoints[0]", "{url: http://c}",
            "kind: Upstream\nname: u\nendpoints:\n- url: http://c\n- url: http://b\n"},
        Row{"ElementAppended", kUpstream, "endpoints[2]", "{url: http://c}",
            std::string(kUpstream) + "- url: http://c\n"},
        Row{"Variant", kUpstream, "balance", "weighted", std::string(kUpstream) + "balance: weighted\n"},
        Row{"ThroughAnUnsetChoice", kRoute, "retry.max_attempts", "2",
            std::string(kRoute) + "retry:\n  max_attempts: 2\n"},
        Row{"ThroughAChoiceInPlace", std::string(kRoute) + "retry: {max_attempts: 3}\n",
            "retry.max_attempts", "2", std::string(kRoute) + "retry:\n  max_attempts: 2\n"},
        Row{"OfABreaker", "kind: CircuitBreaker\nname: default\nopen: 5s\n", "failure_percent", "30%",
            "kind: CircuitBreaker\nname: default\nfailure_percent: 30\nopen: 5s\n"},
        Row{"OtherMemberOfAOneof", "kind: CircuitBreaker\nname: b\ntime_window: 30s\n", "count_window", "100",
            "kind: CircuitBreaker\nname: b\ncount_window: 100\n"},
        Row{"BreakerOfAnUpstream", kUpstream, "circuit_breaker.mode", "forced_open",
            std::string(kUpstream) + "circuit_breaker:\n  mode: FORCED_OPEN\n"},
        Row{"BalanceKind", std::string(kUpstream) + "balance:\n  weighted: {}\n  panic_percent: 20\n", "balance.least_request.choices",
            "4", std::string(kUpstream) + "balance:\n  least_request:\n    choices: 4\n  panic_percent: 20\n"},
        Row{"Limit", "kind: RateLimit\nname: l\nrequests: 10\n", "tokens", "5000",
            "kind: RateLimit\nname: l\nrequests: 10\ntokens: 5000\n"},
        Row{"FallbackInPlace", kRoute, "fallback.static_answer.text", "sorry",
            std::string(kRoute) + "fallback:\n  static_answer:\n    text: sorry\n"},
        Row{"ListOfNames", kRoute, "rate_limits", "[a, b]", std::string(kRoute) + "rate_limits: [a, b]\n"},
        Row{"HedgeOff", std::string(kRoute) + "hedge:\n  p95: {}\n", "hedge", "null", kRoute},
        Row{"ChoiceByName", std::string(kRoute) + "retry: {max_attempts: 3}\n", "retry", "fast",
            std::string(kRoute) + "retry: fast\n"}),
    [](const auto& info) { return info.param.name; });

class SetFieldRefusalTest : public ::testing::TestWithParam<Row> {};

TEST_P(SetFieldRefusalTest, SaysWhyAndChangesNothing) {
  v1::Resource resource = Load(GetParam().before);
  const std::string before = PrintPolicyYaml(resource);
  const absl::Status status = SetPolicyField(resource, GetParam().path, GetParam().value);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::string(status.message()), GetParam().result);
  EXPECT_EQ(PrintPolicyYaml(resource), before);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, SetFieldRefusalTest,
    ::testing::Values(
        Row{"UnknownField", kRetry, "max_atempts", "4",
            "unknown field \"max_atempts\"; did you mean \"max_attempts\"?"},
        Row{"UnknownInside", kRetry, "backoff.xyzzyq", "4",
            "backoff: unknown field \"xyzzyq\"; known: fixed, exponential, reactor or custom"},
        Row{"BadValue", kRetry, "max_attempts", "many",
            "max_attempts: \"many\" is not a whole number"},
        Row{"BadDuration", kRetry, "backoff.fixed.delay", "100",
            "backoff.fixed.delay: \"100\": unit missing: write 100ms or 100s"},
        Row{"NoValue", kRetry, "max_attempts", "", "max_attempts: has no value; null unsets it"},
        Row{"Name", kRetry, "name", "x", "name: cannot be set; it tells which resource this is"},
        Row{"Kind", kRetry, "kind", "x", "kind: cannot be set; it tells which resource this is"},
        Row{"ThroughAReference", std::string(kRoute) + "retry: fast\n", "retry.max_attempts", "2",
            "retry: refers to the RetryPolicy \"fast\"; set the field in retrypolicy/fast, or "
            "write it in place with retry={…}"},
        Row{"IndexTooLarge", kUpstream, "endpoints[2].weight", "1",
            "endpoints[2]: does not exist; endpoints has 2 entries, counted from 0"},
        Row{"NoIndex", kUpstream, "endpoints.weight", "1",
            "endpoints: is a list; name an entry like endpoints[0]"},
        Row{"NoSuchName", kUpstream, "endpoints[c:80].weight", "1",
            "endpoints: has no entry called \"c:80\"; did you mean \"a:80\"?"},
        Row{"NameOfSeveral", std::string(kRoute) + "- upstream: a\n  model: n\n", "targets[a].weight", "1",
            "targets: has several entries called \"a\"; name one like targets[0]"},
        Row{"NameInAListOfTexts", kRetry, "retry_on[TIMEOUT]", "1", "retry_on: is a list; name an entry like retry_on[0]"},
        Row{"IntoAScalar", kRetry, "max_attempts.x", "1",
            "max_attempts: is a single value; it has no \"x\""},
        Row{"OpenBracket", kUpstream, "endpoints[0", "1", "endpoints[0: a ] is missing"},
        Row{"EmptyStep", kRetry, "backoff..fixed", "1",
            "backoff..fixed: is not a path; write it like backoff.fixed.delay"},
        Row{"EmptyPath", kRetry, "", "1", "the path is empty"},
        Row{"TwoDocuments", kRetry, "max_attempts", "1\n---\n2",
            "max_attempts: one value is expected"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sluice
