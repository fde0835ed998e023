// What is told of a set of which a part could not be read.
#include "proto/policy/findings.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> FindingsIn(const std::string& yaml) {
  std::vector<std::string> texts;
  for (const PolicyError& error : ValidateLoaded(LoadPolicyText(yaml, "p.yaml"))) texts.push_back(error.ToString());
  return texts;
}

std::string Route(const std::string& name, const std::string& upstream) {
  return "kind: Route\nname: " + name + "\nmatch: {model: " + name + "}\ntargets: [{upstream: " + upstream + "}]\n---\n";
}

constexpr char kGood[] = "kind: Upstream\nname: good\nformat: OPENAI\nendpoints: [{url: 'http://a/v1'}]\n---\n";
constexpr char kHalfRead[] = "kind: Upstream\nname: half\nformat: OPENAI\nendpoints: [{url: 'http://a/v1', wieght: 2}]\n---\n";

TEST(FindingsTest, DocumentsBesideOneThatCouldNotBeReadAreChecked) {
  EXPECT_THAT(FindingsIn(std::string(kGood) + kHalfRead + Route("a", "godo") + Route("b", "good") +
                         "kind: RetryPolicy\nname: r\nmax_attempts: 99\n"),
              ElementsAre("p.yaml:14: route/a: targets[0].upstream: \"godo\" does not exist; did you mean \"good\"?",
                          HasSubstr("p.yaml:23: retrypolicy/r: max_attempts: 99 is out of range")));
}

TEST(FindingsTest, ReferencesToWhatCouldNotBeReadAreNotBlamed) {
  EXPECT_THAT(FindingsIn(std::string(kHalfRead) + Route("a", "half")), IsEmpty());
  // A kind that is not known.
  EXPECT_THAT(FindingsIn("kind: Upstrem\nname: lost\n---\n" + Route("a", "lost")), IsEmpty());
  EXPECT_THAT(FindingsIn("kind: Upstrem\nname: lost\n---\n" + Route("a", "elsewhere")),
              ElementsAre(HasSubstr("\"elsewhere\" does not exist")));
  // A name that is not known: it may be any.
  EXPECT_THAT(FindingsIn("kind: Upstream\nnaem: lost\n---\n" + Route("a", "lost")), IsEmpty());
  // The rest of the file.
  EXPECT_THAT(FindingsIn(Route("a", "lost") + "kind: [Upstream\n"), IsEmpty());
}

TEST(FindingsTest, WhatIsMissingInADocumentThatCouldNotBeReadIsNotToldTwice) {
  EXPECT_THAT(FindingsIn("kind: Route\nname: r\nmacth: {model: m}\ntargets: [{upstream: good}]\n---\n" +
                         std::string(kGood)),
              IsEmpty());
}

TEST(FindingsTest, AWholeSetIsToldWhole) {
  EXPECT_THAT(FindingsIn("kind: Route\nname: r\ntargets: [{upstream: lost}]\n"),
              ElementsAre(HasSubstr("route/r: match: is required"), HasSubstr("\"lost\" does not exist")));
}

TEST(FindingsTest, WhatExcludesAnotherHidesNoOtherContradiction) {
  const LoadResult loaded = LoadPolicyText(
      "kind: CircuitBreaker\nname: b\nfailure_percent: 0\nopen: 10m\nmax_open: 5m\ntime_window: 10s\n"
      "count_window: 50\nmax_half_open: 1ms\n",
      "p.yaml");
  ASSERT_EQ(loaded.errors.size(), 1u);
  EXPECT_EQ(loaded.errors[0].ToString(),
            "p.yaml:7: circuitbreaker/b: count_window: excludes time_window (line 6); set one of time_window or "
            "count_window");
  std::vector<std::string> texts;
  for (const PolicyError& error : ValidateLoaded(loaded)) texts.push_back(error.ToString());
  EXPECT_THAT(texts, ElementsAre(HasSubstr("p.yaml:3: circuitbreaker/b: failure_percent: 0 is out of range"),
                                 HasSubstr("p.yaml:8: circuitbreaker/b: max_half_open: 1ms is out of range"),
                                 HasSubstr("p.yaml:4: circuitbreaker/b: open: 10m is above max_open (5m)")));
}

TEST(FindingsTest, NobodyIsAskedWhatWasMeantWhereNothingWasMisspelt) {
  EXPECT_THAT(FindingsIn(std::string(kGood) +
                         "kind: Route\nname: a\nmatch: {model: a}\ntargets: [{upstream: good}]\n"
                         "hedge: {p95: {}, max_hedge_percent: 0}\n"),
              ElementsAre("p.yaml:10: route/a: hedge.max_hedge_percent: 0 hedges no call; allow some, or leave hedge "
                          "out; try 2"));
}

TEST(FindingsTest, ASuggestionThatTheMessageMakesIsNotRepeated) {
  v1::Violation violation;
  violation.set_message("99 is out of range; 1 to 10 is accepted");
  violation.set_suggestion("10");
  EXPECT_EQ(MessageOf(violation), "99 is out of range; 1 to 10 is accepted");
  violation.set_suggestion("7");
  EXPECT_EQ(MessageOf(violation), "99 is out of range; 1 to 10 is accepted; try 7");
  violation.set_code("UNKNOWN_REFERENCE");
  EXPECT_EQ(MessageOf(violation), "99 is out of range; 1 to 10 is accepted; did you mean \"7\"?");
}

}  // namespace
}  // namespace sluice
