// What is printed reads back as the same, and damaged text never crashes.
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/message_differencer.h"
#include "google/protobuf/struct.pb.h"
#include "gtest/gtest.h"

#include "proto/policy/kinds.h"
#include "proto/policy/policy_diff.h"
#include "proto/policy/schema.h"
#include "proto/policy/validator.h"
#include "proto/policy/yaml_loader.h"
#include "proto/policy/yaml_printer.h"
#include "tests/proto/random_policy.h"

namespace sluice {
namespace {

using google::protobuf::util::MessageDifferencer;

constexpr PrintOptions kEverything = {.bookkeeping = true};

std::string ReadFile(const std::string& name) {
  std::ifstream in(std::string(SLUICE_TESTDATA "/policies/") + name);
  EXPECT_TRUE(in) << name;
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::uint64_t Seed() {
  const std::uint64_t seed = std::random_device()();
  ::testing::Test::RecordProperty("seed", std::to_string(seed));
  return seed;
}

void ExpectReadsBack(const v1::Resource& resource, const std::string& text) {
  const LoadResult loaded = LoadPolicyText(text, "printed");
  ASSERT_TRUE(loaded.errors.empty()) << loaded.errors[0].ToString() << "\n" << text;
  ASSERT_EQ(loaded.resources.size(), 1u) << text;
  std::string difference;
  MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&difference);
  ASSERT_TRUE(differencer.Compare(resource, loaded.resources[0].resource))
      << difference << "\n" << text;
}

TEST(RoundTripTest, ThreeThousandRandomResourcesReadBackFromYaml) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 3000 && !::testing::Test::HasFatalFailure(); ++i) {
    const v1::Resource resource = RandomResource(random);
    ExpectReadsBack(resource, PrintPolicyYaml(resource, kEverything));
  }
}

TEST(RoundTripTest, ThreeThousandRandomResourcesReadBackFromJson) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 3000 && !::testing::Test::HasFatalFailure(); ++i) {
    const v1::Resource resource = RandomResource(random);
    const std::string json = PrintPolicyJson(resource, kEverything);
    ExpectReadsBack(resource, json);
    // An independent reader of JSON agrees that it is JSON.
    google::protobuf::Struct parsed;
    const auto status = google::protobuf::util::JsonStringToMessage(json, &parsed);
    ASSERT_TRUE(status.ok()) << status.ToString() << "\n" << json;
  }
}

TEST(RoundTripTest, EqualResourcesHaveNoDifferenceAndChangedOnesHave) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  v1::Resource last = RandomResource(random);
  for (int i = 0; i < 500; ++i) {
    v1::Resource next = RandomResource(random);
    EXPECT_EQ(DiffResources(&last, &last).action(), v1::CHANGE_ACTION_UNCHANGED);
    if (last.spec_case() == next.spec_case() &&
        PrintPolicyYaml(last) != PrintPolicyYaml(next)) {
      EXPECT_EQ(DiffResources(&last, &next).action(), v1::CHANGE_ACTION_UPDATED);
    }
    last = next;
  }
}

TEST(RoundTripTest, RandomResourcesNeverCrashTheValidator) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 1000; ++i) {
    const v1::Resource one = RandomResource(random), two = RandomResource(random);
    const v1::Resource* all[] = {&one, &two};
    for (const v1::Violation& violation : ValidatePolicies(all)) {
      ASSERT_FALSE(violation.code().empty());
      ASSERT_FALSE(violation.message().empty());
    }
    EXPECT_TRUE(FindUnknown(one).empty());
  }
}

TEST(RoundTripTest, DamagedYamlIsRefusedOrReadButNeverCrashes) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::string whole = ReadFile("everything.yaml") + "---\n" + ReadFile("resilience.yaml");
  ASSERT_GT(whole.size(), 4000u);
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string text = whole;
    for (int flips = 1 + static_cast<int>(random() % 4); flips > 0; --flips) {
      text[random() % text.size()] ^= static_cast<char>(1u << random() % 8);
    }
    if (random() % 4 == 0) text.resize(random() % text.size());
    const LoadResult loaded = LoadPolicyText(text, "damaged");
    refused += !loaded.errors.empty();
    std::vector<const v1::Resource*> all;
    for (const LoadedResource& one : loaded.resources) all.push_back(&one.resource);
    ValidatePolicies(all);
  }
  EXPECT_GT(refused, 500);  // most damage is seen, or the test tests nothing
}

class GoldenTest : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenTest, IsValidAndPrintsAsItIsWritten) {
  const LoadResult loaded = LoadPolicyText(ReadFile(GetParam()), GetParam());
  ASSERT_TRUE(loaded.errors.empty()) << loaded.errors[0].ToString();
  std::vector<const v1::Resource*> all;
  std::string printed;
  for (const LoadedResource& one : loaded.resources) {
    all.push_back(&one.resource);
    printed += (printed.empty() ? "" : "---\n") + PrintPolicyYaml(one.resource);
  }
  for (const v1::Violation& violation : ValidatePolicies(all)) {
    ADD_FAILURE() << violation.ShortDebugString();
  }
  EXPECT_EQ(printed, ReadFile(GetParam()));
}

// The fields of a message that are set, in it and in the messages that it has.
void NoteFields(const google::protobuf::Message& message, std::set<std::string>& seen) {
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const auto* field : fields) {
    seen.insert(field->full_name());
    if (!IsStructure(*field)) continue;
    const auto* reflection = message.GetReflection();
    if (!field->is_repeated()) NoteFields(reflection->GetMessage(message, field), seen);
    for (int i = 0; field->is_repeated() && i < reflection->FieldSize(message, field); ++i) {
      NoteFields(reflection->GetRepeatedMessage(message, field, i), seen);
    }
  }
}

// Fields that can be set by way of served fields.
void ServedFields(const google::protobuf::Descriptor& type, std::set<std::string>& out) {
  for (int i = 0; i < type.field_count(); ++i) {
    const auto& field = *type.field(i);
    if (RulesOf(field).not_served() || !out.insert(field.full_name()).second) continue;
    if (IsStructure(field)) ServedFields(*field.message_type(), out);
  }
}

TEST(GoldenCoverageTest, EveryFieldThatIsServedStandsInAGolden) {
  std::set<std::string> seen, served;
  for (const char* file : {"everything.yaml", "resilience.yaml", "small.yaml"}) {
    for (const LoadedResource& one : LoadPolicyText(ReadFile(file), file).resources) NoteFields(SpecOf(one.resource), seen);
  }
  for (const auto* kind : Kinds()) ServedFields(*kind->message_type(), served);
  EXPECT_GT(served.size(), 120u);
  for (const std::string& field : served) EXPECT_EQ(seen.count(field), 1u) << field << " is in no golden";
}

TEST(RandomPolicyTest, LeavesNoFieldOut) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::set<std::string> seen, served;
  for (int i = 0; i < 3000; ++i) NoteFields(SpecOf(RandomResource(random)), seen);
  for (const auto* kind : Kinds()) ServedFields(*kind->message_type(), served);
  for (const std::string& field : served) EXPECT_EQ(seen.count(field), 1u) << field << " was never made";
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenTest, ::testing::Values("everything.yaml", "resilience.yaml", "small.yaml"),
                         [](const auto& info) {
                           return info.param.substr(0, info.param.find('.'));
                         });

}  // namespace
}  // namespace sluice
