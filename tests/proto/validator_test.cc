// Every rule of the validator, one row each.
#include "proto/policy/validator.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/policy/yaml_loader.h"
#include "tests/proto/validate_text.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kUpstream[] =
    "kind: Upstream\nname: openai\nformat: OPENAI\nendpoints: [{url: https://api.openai.com/v1}]\n";

std::string Retry(const std::string& fields) { return "kind: RetryPolicy\nname: r\n" + fields; }
std::string Up(const std::string& fields) {
  return "kind: Upstream\nname: u\nformat: OPENAI\nendpoints: [{url: http://h/v1}]\n" + fields;
}
std::string Ends(const std::string& endpoints) {
  return "kind: Upstream\nname: u\nformat: OPENAI\nendpoints: " + endpoints + "\n";
}
std::string Route(const std::string& fields) {
  return std::string(kUpstream) +
         "---\nkind: Route\nname: chat\nmatch: {model: m}\ntargets: [{upstream: openai}]\n" + fields;
}
std::string Match(const std::string& match) {
  return std::string(kUpstream) + "---\nkind: Route\nname: chat\nmatch: " + match +
         "\ntargets: [{upstream: openai}]\n";
}
std::string Targets(const std::string& targets) {
  return std::string(kUpstream) + "---\nkind: Route\nname: chat\nmatch: {model: m}\ntargets: " +
         targets + "\n";
}

class ValidatorTest : public ::testing::TestWithParam<Row> {};

TEST_P(ValidatorTest, SaysExactlyThis) { ExpectRow(GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    FieldRules, ValidatorTest,
    ::testing::Values(
        Row{"Valid", Route(""), ""},
        Row{"RequiredList", Targets("[]"),
            "REQUIRED route/chat targets: is required: at least one entry"},
        Row{"RequiredText", Match("{}"), "REQUIRED route/chat match.model: is required"},
        Row{"RequiredEnum", "kind: Upstream\nname: u\nendpoints: [{url: http://h}]\n",
            "REQUIRED upstream/u format: is required; use OPENAI"},
        Row{"RequiredDuration", Retry("backoff: {fixed: {}}"),
            "REQUIRED retrypolicy/r backoff.fixed.delay: is required"},
        Row{"AboveMax", Retry("max_attempts: 11"),
            "OUT_OF_RANGE retrypolicy/r max_attempts: 11 is out of range; 1 to 10 is accepted"},
        Row{"BelowMin", Retry("max_attempts: 0"),
            "OUT_OF_RANGE retrypolicy/r max_attempts: 0 is out of range; 1 to 10 is accepted"},
        Row{"AtTheBounds", Retry("max_attempts: 10\nretry_on_status: [401, 599]"), ""},
        Row{"BelowMinInList", Retry("retry_on_status: [503, 400]"),
            "OUT_OF_RANGE retrypolicy/r retry_on_status[1]: 400 is out of range; 401 to 599 is "
            "accepted"},
        Row{"DurationAboveMax", Retry("backoff: {fixed: {delay: 11m}}"),
            "OUT_OF_RANGE retrypolicy/r backoff.fixed.delay: 11m is out of range; 0s to 10m is "
            "accepted"},
        Row{"DurationBelowMin", Route("timeouts: {connect: 0s}"),
            "OUT_OF_RANGE route/chat timeouts.connect: 0s is out of range; 1ms to 5m is accepted"},
        Row{"CoalesceAtItsBounds", Route("stream: {coalesce: 1s}"), ""},
        Row{"CoalesceOff", Route("stream: {coalesce: 0s}"), ""},
        Row{"CoalesceTooLong", Route("stream: {coalesce: 1001ms}"),
            "OUT_OF_RANGE route/chat stream.coalesce: 1.001s is out of range; 0s to 1s is accepted"},
        Row{"DurationInList", Retry("backoff: {custom: {delays: [1s, 1h]}}"),
            "OUT_OF_RANGE retrypolicy/r backoff.custom.delays[1]: 1h is out of range; 0s to 10m "
            "is accepted"},
        Row{"TooManyEntries",
            Match("{model: m, metadata: {a: x, b: x, c: x, d: x, e: x, f: x, g: x, h: x, i: x}}"),
            "OUT_OF_RANGE route/chat match.metadata: has 9 entries; at most 8"},
        Row{"InlinePathSkipsInline", Route("retry: {max_attempts: 99}"),
            "OUT_OF_RANGE route/chat retry.max_attempts: 99 is out of range; 1 to 10 is accepted"},
        Row{"EmptyOneof", Retry("backoff: {}"),
            "REQUIRED retrypolicy/r backoff: says nothing; set one of fixed, exponential, reactor "
            "or custom"},
        Row{"BadName", "kind: RetryPolicy\nname: Fast\n",
            "BAD_FORM retrypolicy/Fast name: \"Fast\" is not a name; use 1 to 63 characters of "
            "a-z, 0-9, '.', '_' and '-', the first and the last a letter or digit"},
        Row{"NameOf64", "kind: RetryPolicy\nname: " + std::string(64, 'a') + "\n",
            "BAD_FORM retrypolicy/" + std::string(64, 'a') + " name: \"" + std::string(64, 'a') +
                "\" is not a name; use 1 to 63 characters of a-z, 0-9, '.', '_' and '-', the "
                "first and the last a letter or digit"}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    References, ValidatorTest,
    ::testing::Values(
        Row{"MisspeltUpstream", Targets("[{upstream: openai}, {upstream: opnai}]"),
            "UNKNOWN_REFERENCE route/chat targets[1].upstream: \"opnai\" does not exist; did you "
            "mean \"openai\"?"},
        Row{"FarUpstream", Targets("[{upstream: mistral-large}]"),
            "UNKNOWN_REFERENCE route/chat targets[0].upstream: \"mistral-large\" does not exist; "
            "there is no Upstream of that name"},
        Row{"RetryByName", Route("retry: fast"),
            "UNKNOWN_REFERENCE route/chat retry: \"fast\" does not exist; there is no RetryPolicy "
            "of that name"},
        Row{"RetryByNameThatExists", Route("retry: r\n---\n") + Retry(""), ""},
        Row{"NameOfAnotherKind", Route("retry: openai"),
            "UNKNOWN_REFERENCE route/chat retry: \"openai\" does not exist; there is no "
            "RetryPolicy of that name"},
        Row{"EndpointList", "kind: Upstream\nname: u\nformat: OPENAI\nendpoint_list: l\n",
            "UNKNOWN_REFERENCE upstream/u endpoint_list: \"l\" does not exist; there is no "
            "EndpointList of that name"}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    NotServed, ValidatorTest,
    ::testing::Values(
        Row{"Bool", Up("can_continue_prefix: true"),
            "NOT_SERVED upstream/u can_continue_prefix: can_continue_prefix is not served by this "
            "version of Sluice; leave it out"},
        Row{"BoolThatIsOff", Up("can_continue_prefix: false"), ""},
        Row{"EnumValue", Route("after_cut: CONTINUE"),
            "NOT_SERVED route/chat after_cut: CONTINUE is not served by this version of "
            "Sluice; use FAIL or RESTART"}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Forms, ValidatorTest,
    ::testing::Values(
        Row{"PastedSecret", Up("credential: sk-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNO"),
            "BAD_FORM upstream/u credential: sk-a… (54 characters) does not name a secret; write "
            "env:NAME or file:/path (the secret itself does not belong in a policy)"},
        Row{"CredentialEnv", Up("credential: env:OPENAI_API_KEY"), ""},
        Row{"CredentialFile", Up("credential: file:/run/secrets/x"), ""},
        Row{"CredentialRelative", Up("credential: file:secret"),
            "BAD_FORM upstream/u credential: file… (11 characters) names no file; write "
            "file:/absolute/path"},
        Row{"CredentialBadEnv", Up("credential: 'env:A-B'"),
            "BAD_FORM upstream/u credential: env:… (7 characters) names no environment variable; "
            "write env:NAME with letters, digits and '_'"},
        Row{"UrlScheme", Ends("[{url: 'ftp://h/v1'}]"),
            "BAD_FORM upstream/u endpoints[0].url: \"ftp://h/v1\" is not a url; write "
            "http://host/… or https://host/…"},
        Row{"UrlWithoutHost", Ends("[{url: 'http:///v1'}]"),
            "BAD_FORM upstream/u endpoints[0].url: \"http:///v1\" has no host"},
        Row{"UrlUser", Ends("[{url: 'https://bob:hunter2@h/v1'}]"),
            "BAD_FORM upstream/u endpoints[0].url: \"https://…@h/v1\" has a user or password; "
            "write the secret's name in credential"},
        Row{"UrlQuery", Ends("[{url: 'https://h/v1?key=hunter2'}]"),
            "BAD_FORM upstream/u endpoints[0].url: \"https://h/v1?…\" has a query or a fragment; "
            "leave it out"},
        Row{"UrlFragment", Ends("[{url: 'https://h/v1#x'}]"),
            "BAD_FORM upstream/u endpoints[0].url: \"https://h/v1#…\" has a query or a fragment; "
            "leave it out"},
        Row{"UrlPort", Ends("[{url: 'https://h:65536/v1'}]"),
            "BAD_FORM upstream/u endpoints[0].url: \"https://h:65536/v1\" has no valid port; 1 to "
            "65535 is accepted"},
        Row{"UrlIpv6", Ends("[{url: 'http://[::1]:8080/v1'}]"), ""},
        Row{"UrlSpace", Ends("[{url: 'http://h/a b'}]"),
            "BAD_FORM upstream/u endpoints[0].url: \"http://h/a b\" has a space or a character "
            "that is not ASCII"},
        Row{"Path", Up("health_check: {path: '/health?deep=1'}"), ""},
        Row{"PathWithoutSlash", Up("health_check: {path: health}"),
            "BAD_FORM upstream/u health_check.path: \"health\" is not a path; write /path, it is "
            "put behind the url"},
        Row{"PathWithSpace", Up("health_check: {path: '/a b'}"),
            "BAD_FORM upstream/u health_check.path: \"/a b\" has a space or a character that is "
            "not ASCII; write it as %20"},
        Row{"PathWithLineBreak", Up("health_check: {path: \"/a\\r\\nx: y\"}"),
            "BAD_FORM upstream/u health_check.path: \"/a\\u000d\\nx: y\" has a space or a character "
            "that is not ASCII; write it as %20"},
        Row{"PathWithFragment", Up("health_check: {path: '/a#b'}"),
            "BAD_FORM upstream/u health_check.path: \"/a#b\" has a fragment, which is never sent; "
            "leave it out"},
        Row{"ContentType", Up("dialect: {content_type: 'application/json; charset=utf-8'}"), ""},
        Row{"ContentTypeWithoutSubtype", Up("dialect: {content_type: json}"),
            "BAD_FORM upstream/u dialect.content_type: \"json\" is not a media type; write "
            "type/subtype, as in \"application/json\""},
        Row{"ContentTypeWithLineBreak", Up("dialect: {content_type: \"a/b\\r\\nx: y\"}"),
            "BAD_FORM upstream/u dialect.content_type: \"a/b\\u000d\\nx: y\" is not a media type; "
            "write type/subtype, as in \"application/json\""},
        Row{"Dialect", Up("dialect: {preset: VLLM, token_limit: MAX_COMPLETION_TOKENS, reasoning: NONE}"), ""},
        Row{"EndGrace", Route("timeouts: {end_grace: 0s}"), ""},
        Row{"EndGraceAboveMax", Route("timeouts: {end_grace: 61s}"),
            "OUT_OF_RANGE route/chat timeouts.end_grace: 1m1s is out of range; 0s to 1m is accepted"},
        Row{"AffinityKey", Route("affinity: {metadata_key: X-Session}"),
            "BAD_FORM route/chat affinity.metadata_key: \"X-Session\" is not a metadata key; use "
            "a-z, 0-9, '.', '_' and '-'"},
        Row{"CredentialInAList", Up("credentials: [env:A_KEY, sk-abcdefghijklmnop]"),
            "BAD_FORM upstream/u credentials[1]: sk-a… (19 characters) does not name a secret; "
            "write env:NAME or file:/path (the secret itself does not belong in a policy)"},
        Row{"Proxy", Up("proxy: http://proxy:3128"), ""},
        Row{"ProxyWithPath", Up("proxy: http://proxy:3128/x"),
            "BAD_FORM upstream/u proxy: \"http://proxy:3128/x\" is not a proxy; write "
            "http://host:port"},
        Row{"ModelWithSpace", Match("{model: a b}"),
            "BAD_FORM route/chat match.model: \"a b\" is not a model; use up to 256 visible ASCII "
            "characters, or \"*\""},
        Row{"TargetModelStar", Targets("[{upstream: openai, model: '*'}]"),
            "BAD_FORM route/chat targets[0].model: \"*\" is no model's name; leave it out to keep "
            "the caller's"},
        Row{"HeaderSecret", Up("headers: {Authorization: Bearer hunter2}"),
            "BAD_FORM upstream/u headers[\"Authorization\"]: \"Authorization\" carries a secret; "
            "name the secret in credential instead"},
        Row{"HeaderOurs", Up("headers: {content-length: '3'}"),
            "BAD_FORM upstream/u headers[\"content-length\"]: \"content-length\" is set by Sluice "
            "itself; leave it out"},
        Row{"HeaderName", Up("headers: {'a b': x}"),
            "BAD_FORM upstream/u headers[\"a b\"]: \"a b\" is not the name of a header"},
        Row{"HeaderValue", Up("headers: {x-a: \"hunter2\\r\\nx-b: 1\"}"),
            "BAD_FORM upstream/u headers[\"x-a\"]: has a value that a header cannot carry; use "
            "visible ASCII"},
        Row{"HeaderTwice", Up("headers: {X-A: '1', x-a: '2'}"),
            "DUPLICATE upstream/u headers[\"x-a\"]: is there already; letter case does not tell "
            "headers apart"},
        Row{"MetadataUpperCase", Match("{model: m, metadata: {X-Team: a}}"),
            "BAD_FORM route/chat match.metadata[\"X-Team\"]: \"X-Team\" is not a metadata key; use "
            "a-z, 0-9, '.', '_' and '-'"},
        Row{"MetadataGrpc", Match("{model: m, metadata: {grpc-timeout: 1S}}"),
            "BAD_FORM route/chat match.metadata[\"grpc-timeout\"]: \"grpc-timeout\" is reserved; "
            "callers cannot route by it"},
        Row{"MetadataBinary", Match("{model: m, metadata: {x-bin: a}}"),
            "BAD_FORM route/chat match.metadata[\"x-bin\"]: \"x-bin\" has a binary value, which a "
            "policy cannot state"},
        Row{"MetadataRoute", Match("{model: m, metadata: {sluice-route: canary}}"), ""}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    CrossRules, ValidatorTest,
    ::testing::Values(
        Row{"ExponentialMaxBelowBase",
            Route("retry: {backoff: {exponential: {base: 100ms, max: 50ms}}}"),
            "CONFLICT route/chat retry.backoff.exponential.max: 50ms is below base (100ms); must "
            "be >= base"},
        Row{"ExponentialMaxBelowDefaultBase", Retry("backoff: {exponential: {max: 50ms}}"),
            "CONFLICT retrypolicy/r backoff.exponential.max: 50ms is below base (500ms, the "
            "default); must be >= base"},
        Row{"ExponentialBaseAboveDefaultMax", Retry("backoff: {exponential: {base: 6s}}"),
            "CONFLICT retrypolicy/r backoff.exponential.base: 6s is above max (5s, the default); "
            "must be <= max"},
        Row{"ExponentialEqual", Retry("backoff: {exponential: {base: 1s, max: 1s}}"), ""},
        Row{"ReactorMaxBelowMin", Retry("backoff: {reactor: {min: 1s, max: 10ms}}"),
            "CONFLICT retrypolicy/r backoff.reactor.max: 10ms is below min (1s); must be >= min"},
        Row{"EndpointsAndList",
            Up("endpoint_list: l\n---\nkind: EndpointList\nname: l\nendpoints: [{url: http://i}]\n"),
            "CONFLICT upstream/u endpoints: excludes endpoint_list; write the endpoints here or "
            "name a list"},
        Row{"NoEndpoints", "kind: Upstream\nname: u\nformat: OPENAI\n",
            "REQUIRED upstream/u endpoints: is required: at least one endpoint, or the name of an "
            "endpoint_list"},
        Row{"SameEndpointName", Ends("[{name: a, url: http://h}, {name: a, url: http://i}]"),
            "DUPLICATE upstream/u endpoints[1].name: \"a\" is the name of endpoints[0] too; name "
            "it otherwise"},
        Row{"SameImpliedName", Ends("[{url: http://h/v1}, {url: http://h/v2}]"),
            "DUPLICATE upstream/u endpoints[1].name: \"h:80\", taken from the url, is the name of "
            "endpoints[0] too; name it otherwise"},
        Row{"SameUrl", Ends("[{name: a, url: https://H/v1}, {name: b, url: 'https://h:443/v1/'}]"),
            "DUPLICATE upstream/u endpoints[b].url: is the url of endpoints[0] too; raise that "
            "one's weight instead"},
        Row{"EndpointNameWithSlash", Ends("[{name: a/b, url: http://h}]"),
            "BAD_FORM upstream/u endpoints[\"a/b\"].name: \"a/b\" is not an endpoint's name; use up to "
            "128 letters, digits, '.', '_', '-' and ':'"},
        Row{"AllEndpointWeightsZero", Ends("[{url: http://h, weight: 0}]"),
            "CONFLICT upstream/u endpoints: every weight is 0; give one endpoint a weight, or set "
            "state: draining to drain it"},
        Row{"AllDraining", Ends("[{url: http://h, state: draining}]"), ""},
        Row{"AllTargetWeightsZero", Targets("[{upstream: openai, weight: 0}]"),
            "CONFLICT route/chat targets: every weight is 0, so that no call could go anywhere; "
            "give one target a weight"},
        Row{"OneTargetWeightZero",
            Targets("[{upstream: openai, weight: 0}, {upstream: openai, model: x}]"), ""},
        Row{"SameMatch",
            Route("---\nkind: Route\nname: two\nmatch: {model: m}\ntargets: [{upstream: "
                  "openai}]\n"),
            "DUPLICATE route/two match: is the same as that of route/chat; one of the two would "
            "never take a call"},
        Row{"OtherTenant",
            Route("---\nkind: Route\nname: two\nmatch: {model: m, tenant: t}\ntargets: [{upstream: "
                  "openai}]\n"),
            ""},
        Row{"HopelessStatus413", Retry("retry_on_status: [413]"),
            "CONFLICT retrypolicy/r retry_on_status[0]: 413 tells that the request itself is "
            "wrong; no retry mends it"},
        Row{"HopelessStatus422", Retry("retry_on_status: [422]"),
            "CONFLICT retrypolicy/r retry_on_status[0]: 422 tells that the request itself is "
            "wrong; no retry mends it"},
        Row{"StatusTwice", Retry("retry_on_status: [503, 503]"),
            "DUPLICATE retrypolicy/r retry_on_status[1]: 503 is there already"},
        Row{"ConnectAboveOverall", Route("timeouts: {connect: 10s, overall: 5s}"),
            "CONFLICT route/chat timeouts.connect: 10s is above overall (5s); must be <= overall"},
        Row{"DefaultAboveOverall", Route("timeouts: {overall: 5s}"), ""},
        Row{"IdleAboveOpen", Up("pool: {max_open: 10, max_idle: 11}"),
            "CONFLICT upstream/u pool.max_idle: 11 is above max_open (10); must be <= max_open"},
        Row{"DefaultIdleAboveOpen", Up("pool: {max_open: 10}"), ""},
        Row{"IdleTimeAboveLifetime", Up("pool: {max_idle_time: 2m, max_lifetime: 1m}"),
            "CONFLICT upstream/u pool.max_idle_time: 2m is above max_lifetime (1m); must be <= "
            "max_lifetime"}),
    NameOf);

TEST(ValidatorWholeTest, SuggestsABetterValue) {
  const auto violations = Validate(Targets("[{upstream: opnai}]"));
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_EQ(violations[0].suggestion(), "openai");
}

TEST(ValidatorWholeTest, UnknownEnumNumbersAreRefused) {
  v1::Resource resource;
  resource.mutable_meta()->set_name("r");
  resource.mutable_retry_policy()->add_retry_on(static_cast<v1::RetryableKind>(77));
  resource.mutable_retry_policy()->add_retry_on(v1::RETRYABLE_KIND_UNSPECIFIED);
  const v1::Resource* all[] = {&resource};
  const auto texts = Texts(ValidatePolicies(all));
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_THAT(texts[0], HasSubstr("UNKNOWN_ENUM retrypolicy/r retry_on[0]: 77 is not a value of RetryableKind that is known; use"));
  EXPECT_THAT(texts[1], HasSubstr("UNKNOWN_ENUM retrypolicy/r retry_on[1]: UNSPECIFIED"));
}

TEST(ValidatorWholeTest, NegativeAndBrokenDurationsAreRefused) {
  v1::Resource resource;
  resource.mutable_meta()->set_name("r");
  auto& delays = *resource.mutable_retry_policy()->mutable_backoff()->mutable_custom();
  delays.add_delays()->set_seconds(-1);
  delays.add_delays()->set_nanos(2'000'000'000);
  const v1::Resource* all[] = {&resource};
  EXPECT_EQ(ValidatePolicies(all).size(), 2u);
}

TEST(ValidatorWholeTest, EmptyResourceAndEmptyChoiceAreRefused) {
  v1::Resource empty;
  empty.mutable_meta()->set_name("e");
  v1::Resource route;
  route.mutable_meta()->set_name("r");
  route.mutable_route()->mutable_match()->set_model("m");
  route.mutable_route()->mutable_retry();
  const v1::Resource* all[] = {&empty, &route};
  EXPECT_THAT(Texts(ValidatePolicies(all)),
              ElementsAre("REQUIRED /e : has no spec; it is of no kind that is known here",
                          "REQUIRED route/r targets: is required: at least one entry",
                          "REQUIRED route/r retry: says nothing; write the name of a RetryPolicy "
                          "or its fields"));
}

TEST(ValidatorWholeTest, TheSameNameTwiceIsRefusedWithinAKindOnly) {
  v1::Resource one, two, other;
  for (v1::Resource* r : {&one, &two, &other}) r->mutable_meta()->set_name("x");
  one.mutable_retry_policy();
  two.mutable_retry_policy();
  other.mutable_endpoint_list()->add_endpoints()->set_url("http://h");
  const v1::Resource* all[] = {&one, &two, &other};
  EXPECT_THAT(Texts(ValidatePolicies(all)),
              ElementsAre("DUPLICATE retrypolicy/x name: retrypolicy/x is there twice"));
}

TEST(ValidatorWholeTest, FindingsAreBounded) {
  v1::Resource list;
  list.mutable_meta()->set_name("l");
  for (int i = 0; i < 5000; ++i) list.mutable_endpoint_list()->add_endpoints()->set_url("x");
  const v1::Resource* all[] = {&list};
  const auto violations = ValidatePolicies(all);
  ASSERT_EQ(violations.size(), 1001u);
  EXPECT_EQ(violations.back().code(), "MORE");
}

TEST(ValidatorWholeTest, NoFindingRepeatsASecret) {
  const std::string yaml = Ends("[{url: 'https://bob:hunter2@h/v1?k=hunter2'}]") +
                           "credential: hunter2hunter2\nproxy: http://bob:hunter2@p:1\n"
                           "headers: {authorization: hunter2, x-ok: \"hunter2\\x01\"}\n";
  const auto texts = Texts(Validate(yaml));
  EXPECT_EQ(texts.size(), 5u);
  for (const std::string& text : texts) EXPECT_THAT(text, Not(HasSubstr("hunter2")));
}

TEST(ReferrersTest, NamesEveryResourceThatRefers) {
  const LoadResult loaded =
      LoadPolicyText(Route("retry: r\n---\n") + Retry("") + "---\nkind: Route\nname: two\n" +
                         "match: {model: n}\ntargets: [{upstream: openai}]\n",
                     "p.yaml");
  std::vector<const v1::Resource*> all;
  for (const LoadedResource& one : loaded.resources) all.push_back(&one.resource);
  EXPECT_THAT(ReferrersOf("upstream", "openai", all), ElementsAre("route/chat", "route/two"));
  EXPECT_THAT(ReferrersOf("RetryPolicy", "r", all), ElementsAre("route/chat"));
  EXPECT_THAT(ReferrersOf("RetryPolicy", "openai", all), IsEmpty());
  EXPECT_THAT(ReferrersOf("nonsense", "openai", all), IsEmpty());
}

TEST(FindUnknownTest, NamesFieldsAndEnumValuesOfANewerVersion) {
  v1::Resource resource;
  resource.mutable_meta()->set_name("r");
  auto& policy = *resource.mutable_retry_policy();
  policy.GetReflection()->MutableUnknownFields(&policy)->AddVarint(900, 1);
  auto& exponential = *policy.mutable_backoff()->mutable_exponential();
  exponential.set_jitter(static_cast<v1::Jitter>(42));
  exponential.GetReflection()->MutableUnknownFields(&exponential)->AddVarint(901, 1);
  EXPECT_THAT(Texts(FindUnknown(resource)),
              ElementsAre("UNKNOWN_FIELD retrypolicy/r : field number 900 of RetryPolicy is not "
                          "known to this version of Sluice",
                          "UNKNOWN_FIELD retrypolicy/r backoff.exponential: field number 901 of "
                          "ExponentialBackoff is not known to this version of Sluice",
                          "UNKNOWN_ENUM retrypolicy/r backoff.exponential.jitter: 42 is not a value of "
                          "Jitter known to this version of Sluice"));
}

TEST(FindUnknownTest, AKindOfANewerVersionIsAnUnknownField) {
  v1::Resource resource;
  resource.mutable_meta()->set_name("x");
  resource.GetReflection()->MutableUnknownFields(&resource)->AddLengthDelimited(99, "");
  EXPECT_EQ(FindUnknown(resource).size(), 1u);
}

TEST(FindUnknownTest, WhatIsKnownIsSilent) {
  const LoadResult loaded = LoadPolicyText(Route("labels: {a: b}"), "p.yaml");
  for (const LoadedResource& one : loaded.resources) EXPECT_TRUE(FindUnknown(one.resource).empty());
}

}  // namespace
}  // namespace sluice
