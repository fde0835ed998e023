// Comments survive the way through the control plane, and never change what a
// file says.
#include "proto/policy/yaml_comments.h"

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

#include "proto/policy/policy_diff.h"
#include "proto/policy/yaml_loader.h"
#include "proto/policy/yaml_printer.h"
#include "tests/proto/random_policy.h"

namespace sluice {
namespace {

using google::protobuf::util::MessageDifferencer;

std::vector<v1::Resource> Loaded(const std::string& text) {
  const LoadResult loaded = LoadPolicyText(text, "p.yaml", {.comments = true});
  for (const PolicyError& error : loaded.errors) ADD_FAILURE() << error.ToString() << "\n" << text;
  std::vector<v1::Resource> resources;
  for (const LoadedResource& each : loaded.resources) {
    v1::Resource& resource = resources.emplace_back(each.resource);
    if (!each.comments.empty()) (*resource.mutable_meta()->mutable_annotations())[kCommentsAnnotation] = each.comments;
  }
  return resources;
}

std::string Printed(const std::vector<v1::Resource>& resources) {
  std::vector<std::string> documents;
  for (const v1::Resource& resource : resources) documents.push_back(PrintPolicyYaml(resource, {.comments = true}));
  return absl::StrJoin(documents, "---\n");
}

struct Row {
  const char* name;
  std::string written;
  std::string printed;
};

class YamlCommentsTest : public ::testing::TestWithParam<Row> {};

TEST_P(YamlCommentsTest, ArePrintedWhereTheyStood) {
  const std::string once = Printed(Loaded(GetParam().written));
  EXPECT_EQ(once, GetParam().printed);
  EXPECT_EQ(Printed(Loaded(once)), once);
}

constexpr char kRetry[] = "kind: RetryPolicy\nname: r\n";

INSTANTIATE_TEST_SUITE_P(
    Rows, YamlCommentsTest,
    ::testing::Values(
        Row{"None", absl::StrCat(kRetry, "max_attempts: 2\n"), absl::StrCat(kRetry, "max_attempts: 2\n")},
        Row{"AboveBehindAndAtTheEnd", "# Top.\n#\n# More.\nkind: RetryPolicy\nname: r   # short\n  # Few.\nmax_attempts: 2\n# End.\n",
            "# Top.\n#\n# More.\nkind: RetryPolicy\nname: r  # short\n# Few.\nmax_attempts: 2\n# End.\n"},
        Row{"InAnotherOrder", "# many\nmax_attempts: 2\nname: r\nkind: RetryPolicy\n", absl::StrCat(kRetry, "# many\nmax_attempts: 2\n")},
        Row{"Nested", absl::StrCat(kRetry, "backoff:\n  exponential:\n    # Short.\n    base: 1s # s\n"),
            absl::StrCat(kRetry, "backoff:\n  exponential:\n    # Short.\n    base: 1s  # s\n")},
        Row{"OfAFlowMapIsAtItsBeginning", absl::StrCat(kRetry, "backoff: {fixed: {delay: 1s}} # calm\n"),
            absl::StrCat(kRetry, "backoff:  # calm\n  fixed:\n    delay: 1s\n")},
        Row{"OfListEntries",
            "kind: EndpointList\nname: e\nendpoints:\n# The first.\n- url: http://a:1  # one\n# The second.\n- name: b\n"
            "  # Spare.\n  url: http://b:1\n",
            "kind: EndpointList\nname: e\nendpoints:\n# The first.\n- url: http://a:1  # one\n# The second.\n- name: b\n"
            "  # Spare.\n  url: http://b:1\n"},
        Row{"EachDocumentHasItsOwn", absl::StrCat("# a\n", kRetry, "# b\n---\n# c\nkind: RetryPolicy\nname: s # d\n"),
            absl::StrCat("# a\n", kRetry, "# b\n---\n# c\nkind: RetryPolicy\nname: s  # d\n")},
        Row{"WhatIsNoComment", "kind: RetryPolicy\nname: r\nannotations: {a: \"x # y\", b: 'p # q', c: x#y}\n",
            "kind: RetryPolicy\nname: r\nannotations:\n  a: \"x # y\"\n  b: \"p # q\"\n  c: \"x#y\"\n"},
        Row{"LinesOfTextThatLookLikeOne", "kind: RetryPolicy\nname: r\nannotations:\n  a: |\n    # text\n    more\n# real\nmax_attempts: 2\n",
            "kind: RetryPolicy\nname: r\nannotations:\n  a: \"# text\\nmore\\n\"\n# real\nmax_attempts: 2\n"},
        Row{"QuotesWithinWords", absl::StrCat(kRetry, "max_attempts: 2 # don't \"quote\n"),
            absl::StrCat(kRetry, "max_attempts: 2  # don't \"quote\n")}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(CommentsTest, MoveWithAnEntryThatHasAName) {
  std::vector<v1::Resource> resources = Loaded("kind: EndpointList\nname: e\nendpoints:\n- {name: a, url: \"http://a:1\"}\n"
                                               "- name: b  # spare\n  url: http://b:1\n");
  ASSERT_EQ(resources.size(), 1u);
  resources[0].mutable_endpoint_list()->mutable_endpoints()->SwapElements(0, 1);
  EXPECT_THAT(Printed(resources), ::testing::HasSubstr("- name: b  # spare\n"));
}

TEST(CommentsTest, OfAFieldThatIsGoneComeToWhatHeldIt) {
  std::vector<v1::Resource> resources = Loaded(absl::StrCat(kRetry, "backoff:\n  exponential:\n    base: 1s # s\n    max: 2s\n"));
  ASSERT_EQ(resources.size(), 1u);
  resources[0].mutable_retry_policy()->mutable_backoff()->mutable_exponential()->clear_base();
  EXPECT_THAT(Printed(resources), ::testing::HasSubstr("exponential:  # s\n"));
}

TEST(CommentsTest, AreOneLineOfADiff) {
  const v1::Resource before = Loaded(absl::StrCat(kRetry, "# one\nmax_attempts: 2\n"))[0];
  const v1::Resource after = Loaded(absl::StrCat(kRetry, "# another\nmax_attempts: 2 # two\n"))[0];
  const v1::Change change = DiffResources(&before, &after);
  ASSERT_EQ(change.fields_size(), 1);
  EXPECT_EQ(change.fields(0).path(), "comments");
  EXPECT_EQ(change.fields(0).before(), "1 comment");
  EXPECT_EQ(change.fields(0).after(), "2 comments");
  EXPECT_EQ(DiffResources(&before, &before).action(), v1::CHANGE_ACTION_UNCHANGED);
}

TEST(CommentsTest, AreBounded) {
  std::string text = kRetry;
  for (int i = 0; i < 5000; ++i) absl::StrAppend(&text, "# ", std::string(1000, 'x'), "\n");
  const v1::Resource resource = Loaded(absl::StrCat(text, "max_attempts: 2\n"))[0];
  const auto found = resource.meta().annotations().find(kCommentsAnnotation);
  if (found != resource.meta().annotations().end()) EXPECT_LE(found->second.size(), size_t{8} << 10);
  EXPECT_EQ(resource.retry_policy().max_attempts(), 2u);
}

// Whatever the resource, and wherever comments are put.
TEST(CommentsTest, ThousandRandomResourcesReadBackWithTheirComments) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 1000 && !::testing::Test::HasFailure(); ++i) {
    v1::Resource resource = RandomResource(random);
    resource.mutable_meta()->clear_etag();
    resource.mutable_meta()->clear_revision();
    std::string text;
    for (absl::string_view line : absl::StrSplit(PrintPolicyYaml(resource), '\n', absl::SkipEmpty())) {
      const std::string indent(random() % 4 * 2, ' ');
      if (random() % 4 == 0) absl::StrAppend(&text, indent, "# above ", random() % 100, " \"'\n");
      absl::StrAppend(&text, line, random() % 4 == 0 ? "  # behind {[\"'\n" : "\n");
    }
    const std::vector<v1::Resource> loaded = Loaded(text);
    ASSERT_EQ(loaded.size(), 1u) << text;
    const std::string printed = Printed(loaded);
    const std::vector<v1::Resource> again = Loaded(printed);
    ASSERT_EQ(again.size(), 1u) << printed;
    ASSERT_TRUE(MessageDifferencer::Equals(loaded[0], again[0])) << text << "\n=>\n" << printed;
    v1::Resource bare = again[0];
    bare.mutable_meta()->mutable_annotations()->erase(kCommentsAnnotation);
    ASSERT_TRUE(MessageDifferencer::Equals(resource, bare)) << text;
  }
}

// An annotation that was written by hand, or damaged, harms nothing.
TEST(CommentsTest, AnyAnnotationPrintsWhatReadsBack) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 1000 && !::testing::Test::HasFailure(); ++i) {
    v1::Resource resource = RandomResource(random);
    std::string value;
    for (size_t n = random() % 60; n > 0; --n) value += std::string("name\t^>\n\\n#.[]\"' kind")[random() % 22];
    (*resource.mutable_meta()->mutable_annotations())[kCommentsAnnotation] = value;
    const std::string printed = PrintPolicyYaml(resource, {.bookkeeping = true, .comments = true});
    const LoadResult loaded = LoadPolicyText(printed, "printed");
    ASSERT_TRUE(loaded.errors.empty()) << loaded.errors[0].ToString() << "\n" << printed;
    resource.mutable_meta()->mutable_annotations()->erase(kCommentsAnnotation);
    ASSERT_TRUE(MessageDifferencer::Equals(resource, loaded.resources[0].resource)) << printed;
  }
}

}  // namespace
}  // namespace sluice
