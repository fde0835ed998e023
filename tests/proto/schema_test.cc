// The rules written in policy.proto are themselves well-formed, the marks are
// in force, and the small tables (kinds, durations, defaults, words) hold.
#include "proto/policy/schema.h"

#include <functional>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sluice/v1/policy.pb.h"

#include "proto/policy/defaults.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/forms.h"
#include "proto/policy/kinds.h"
#include "proto/policy/policy_diff.h"
#include "proto/policy/policy_node.h"
#include "proto/policy/validator.h"
#include "proto/policy/wording.h"
#include "proto/policy/yaml_loader.h"
#include "proto/policy/yaml_scalars.h"

namespace sluice {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const google::protobuf::FileDescriptor& File() { return *v1::Resource::descriptor()->file(); }

void ForEachField(const std::function<void(const FieldDescriptor&)>& visit) {
  for (int i = 0; i < File().message_type_count(); ++i) {
    for (int k = 0; k < File().message_type(i)->field_count(); ++k) {
      visit(*File().message_type(i)->field(k));
    }
  }
}

std::unique_ptr<Message> Make(const Descriptor& type) {
  const auto* prototype =
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(&type);
  return std::unique_ptr<Message>(prototype->New());
}

TEST(SchemaTest, EveryDefaultIsAValueOfItsFieldWithinItsBounds) {
  int defaults = 0;
  ForEachField([&](const FieldDescriptor& field) {
    const v1::FieldRules& rules = RulesOf(field);
    if (rules.default_().empty()) return;
    ++defaults;
    SCOPED_TRACE(field.full_name());
    auto message = Make(*field.containing_type());
    ASSERT_TRUE(SetScalar(PolicyNode::Plain(rules.default_()), field, *message).ok());
    const std::string text = GetScalar(*message, field, -1).text;
    if (IsDuration(field)) {
      const absl::Duration value = ParseDurationText(text).value();
      if (!rules.min_duration().empty()) {
        EXPECT_GE(value, ParseDurationText(rules.min_duration()).value());
      }
      if (!rules.max_duration().empty()) {
        EXPECT_LE(value, ParseDurationText(rules.max_duration()).value());
      }
    } else if (rules.has_min() || rules.has_max()) {
      if (rules.has_min()) {
        EXPECT_GE(std::stod(text), rules.min());
      }
      if (rules.has_max()) {
        EXPECT_LE(std::stod(text), rules.max());
      }
    }
    if (field.enum_type() != nullptr) {
      EXPECT_FALSE(IsNotServed(*FindEnumValue(*field.enum_type(), text)));
    }
  });
  EXPECT_GT(defaults, 50);
}

TEST(SchemaTest, EveryRuleFitsItsField) {
  ForEachField([](const FieldDescriptor& field) {
    SCOPED_TRACE(field.full_name());
    const v1::FieldRules& rules = RulesOf(field);
    const bool text = field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
    if (!rules.refers_to().empty()) {
      EXPECT_TRUE(text);
      EXPECT_NE(FindKind(rules.refers_to()), nullptr);
      EXPECT_EQ(FindKind(rules.refers_to())->message_type()->name(), rules.refers_to());
    }
    if (!rules.form().empty()) {
      EXPECT_TRUE(text);
      EXPECT_TRUE(IsKnownForm(rules.form()));
    }
    if (!rules.min_duration().empty() || !rules.max_duration().empty()) {
      EXPECT_TRUE(IsDuration(field));
      for (const std::string& bound : {rules.min_duration(), rules.max_duration()}) {
        if (!bound.empty()) {
          EXPECT_TRUE(ParseDurationText(bound).ok()) << bound;
        }
      }
    }
    if (rules.has_min() && rules.has_max()) {
      EXPECT_LE(rules.min(), rules.max());
    }
    if (rules.has_min() || rules.has_max()) {
      EXPECT_FALSE(text || field.message_type() != nullptr || field.enum_type() != nullptr);
    }
    // What can be long must have a bound, and nothing else can.
    EXPECT_EQ(rules.max_items() > 0, field.is_repeated());
    // A mark that lets an old data plane skip a field protects nothing.
    EXPECT_FALSE(rules.ignorable() && rules.not_served());
  });
}

TEST(SchemaTest, NoFieldOfAKindHidesAKeyOfTheDocument) {
  for (const FieldDescriptor* kind : Kinds()) {
    for (const std::string& name : FieldNames(*kind->message_type())) {
      EXPECT_NE(name, "kind");
      EXPECT_EQ(v1::Meta::descriptor()->FindFieldByName(name), nullptr) << name;
    }
  }
}

TEST(SchemaTest, EveryChoiceHasANameAndAMessage) {
  for (int i = 0; i < File().message_type_count(); ++i) {
    const Descriptor& type = *File().message_type(i);
    if (!RulesOf(type).inline_or_reference()) continue;
    EXPECT_EQ(type.field_count(), 2) << type.name();
    EXPECT_NE(ChoiceOf(type).reference, nullptr) << type.name();
    EXPECT_NE(ChoiceOf(type).in_place, nullptr) << type.name();
    EXPECT_EQ(RulesOf(*ChoiceOf(type).reference).refers_to(),
              ChoiceOf(type).in_place->message_type()->name());
  }
}

TEST(SchemaTest, EveryEnumNameReadsBackShortAndFull) {
  for (int i = 0; i < File().enum_type_count(); ++i) {
    const auto& type = *File().enum_type(i);
    std::set<std::string> names;
    for (int k = 0; k < type.value_count(); ++k) {
      const auto& value = *type.value(k);
      EXPECT_TRUE(names.insert(ShortEnumName(value)).second) << value.name();
      const auto* expected = value.number() == 0 ? nullptr : &value;
      EXPECT_EQ(FindEnumValue(type, ShortEnumName(value)), expected);
      EXPECT_EQ(FindEnumValue(type, value.name()), expected);
    }
  }
}

// Sets `field` to something, whatever it is.
void SetAnything(Message& message, const FieldDescriptor& field) {
  const auto* r = message.GetReflection();
  if (field.message_type() != nullptr && !IsDuration(field)) {
    field.is_repeated() ? r->AddMessage(&message, &field) : r->MutableMessage(&message, &field);
    return;
  }
  std::string text = "1";
  if (IsDuration(field)) text = "1s";
  if (field.enum_type() != nullptr) text = ShortEnumName(*field.enum_type()->value(1));
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) text = "true";
  ASSERT_TRUE(SetScalar(PolicyNode::Plain(text), field, message).ok()) << field.full_name();
}

// Finds a way from `type` down to messages of type `wanted`, and makes it.
Message* MakePath(Message& message, const Descriptor& wanted, int depth) {
  if (message.GetDescriptor() == &wanted) return &message;
  if (depth == 0) return nullptr;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    if (!IsStructure(field) || RulesOf(field).not_served()) continue;
    const auto* r = message.GetReflection();
    Message* child = field.is_repeated() ? r->AddMessage(&message, &field)
                                         : r->MutableMessage(&message, &field);
    if (Message* found = MakePath(*child, wanted, depth - 1)) return found;
    field.is_repeated() ? r->RemoveLast(&message, &field) : r->ClearField(&message, &field);
  }
  return nullptr;
}

bool IsRefused(const v1::Resource& resource) {
  const v1::Resource* all[] = {&resource};
  for (const v1::Violation& violation : ValidatePolicies(all)) {
    if (violation.code() == "NOT_SERVED") return true;
  }
  return false;
}

// Sets something in a message of type `wanted` in every kind that can hold one
// by way of served fields, and expects a refusal. Returns in how many it could.
int ExpectRefused(const Descriptor& wanted, const std::function<void(Message&)>& set) {
  int places = 0;
  for (const FieldDescriptor* kind : Kinds()) {
    v1::Resource resource;
    resource.mutable_meta()->set_name("x");
    Message* spec = resource.GetReflection()->MutableMessage(&resource, kind);
    Message* place = MakePath(*spec, wanted, 6);
    if (place == nullptr) continue;
    ++places;
    set(*place);
    EXPECT_TRUE(IsRefused(resource)) << wanted.name() << " in " << kind->name();
  }
  return places;
}

TEST(NotServedTest, EveryMarkedFieldIsRefusedWhereverItCanBeSet) {
  int marks = 0;
  ForEachField([&](const FieldDescriptor& field) {
    if (!RulesOf(field).not_served()) return;
    SCOPED_TRACE(field.full_name());
    marks += ExpectRefused(*field.containing_type(),
                           [&](Message& place) { SetAnything(place, field); }) > 0;
  });
  EXPECT_GE(marks, 1);
}

TEST(NotServedTest, EveryMarkedEnumValueIsRefusedWhereverItCanBeSet) {
  int marks = 0;
  ForEachField([&](const FieldDescriptor& field) {
    if (field.enum_type() == nullptr) return;
    for (int i = 0; i < field.enum_type()->value_count(); ++i) {
      const auto& value = *field.enum_type()->value(i);
      if (!IsNotServed(value)) continue;
      SCOPED_TRACE(value.full_name());
      marks += ExpectRefused(*field.containing_type(), [&](Message& place) {
                 EXPECT_TRUE(SetScalar(PolicyNode::Plain(value.name()), field, place).ok());
               }) > 0;
    }
  });
  EXPECT_GE(marks, 3);
}

TEST(NotServedTest, EveryKindIsServed) {
  for (const FieldDescriptor* kind : Kinds()) {
    EXPECT_FALSE(RulesOf(*kind->message_type()).not_served()) << kind->name();
  }
}

TEST(KindsTest, WhatIsReferredToComesFirst) {
  std::vector<std::string> names;
  for (const FieldDescriptor* kind : Kinds()) names.push_back(kind->message_type()->name());
  EXPECT_THAT(names, ElementsAre("EndpointList", "CircuitBreaker", "Upstream", "RetryPolicy",
                                 "Fallback", "RateLimit", "Route"));
}

TEST(KindsTest, AreFoundInEverySpelling) {
  for (const std::string name : {"RetryPolicy", "retrypolicy", "retry_policy", "RETRY-POLICY",
                                 "retrypolicies", "RetryPolicies"}) {
    ASSERT_NE(FindKind(name), nullptr) << name;
    EXPECT_EQ(FindKind(name)->name(), "retry_policy");
  }
  EXPECT_EQ(FindKind("routes")->name(), "route");
  EXPECT_EQ(FindKind("retry"), nullptr);
  EXPECT_EQ(FindKind(""), nullptr);
  EXPECT_EQ(ResourceId("RetryPolicy", "default"), "retrypolicy/default");
}

TEST(KindsTest, EveryKindHasNamesThatAreItsAlone) {
  std::set<std::string> seen;
  for (const auto* kind : Kinds()) {
    const KindNames names = NamesOf(*kind);
    std::vector<std::string> all = names.shorts;
    EXPECT_FALSE(all.empty()) << names.single;
    all.insert(all.end(), {names.single, names.plural});
    for (const std::string& name : all) {
      EXPECT_TRUE(seen.insert(name).second) << name;
      EXPECT_EQ(FindKind(name), kind) << name;
    }
  }
  EXPECT_EQ(NamesOf(*FindKind("rp")).plural, "retrypolicies");
}

TEST(DurationTextTest, ReadsAndPrintsTheShortestForm) {
  const std::pair<const char*, const char*> rows[] = {
      {"0s", "0s"},         {"0ms", "0s"},      {"100ms", "100ms"}, {"1500ms", "1.5s"},
      {"90m", "1h30m"},     {"1h30m", "1h30m"}, {"60s", "1m"},      {"24h", "24h"},
      {"1us", "1us"},       {"1ns", "1ns"},     {"0.5s", "500ms"},  {"1h0m1s", "1h1s"}};
  for (const auto& [text, printed] : rows) {
    ASSERT_TRUE(ParseDurationText(text).ok()) << text;
    EXPECT_EQ(FormatDurationText(*ParseDurationText(text)), printed);
  }
}

TEST(DurationTextTest, RefusesWhatIsNotExactlyADuration) {
  for (const std::string text : {"", "1", "-1s", "s", "1 s", "1s ", " 1s", "1.s", ".5s", "1d",
                                 "inf", "1e3s", "+1s", "0.1ns", "99999999999999h", "1sm", "0x1s",
                                 "5.", "1,5s", "1m1m", "1h2h", "1s1m", "1ms1s", "1h1s1m"}) {
    EXPECT_FALSE(ParseDurationText(text).ok()) << text;
  }
  EXPECT_THAT(std::string(ParseDurationText("1m1m").status().message()),
              HasSubstr("\"1m1m\": has a unit twice or behind a smaller one"));
  EXPECT_THAT(std::string(ParseDurationText("100").status().message()),
              HasSubstr("unit missing: write 100ms or 100s"));
}

TEST(DefaultsTest, FillWhatIsThereAndMakeNoMessages) {
  v1::RetryPolicy policy;
  policy.mutable_backoff()->mutable_exponential()->mutable_max()->set_seconds(9);
  FillDefaults(policy);
  EXPECT_EQ(policy.max_attempts(), 3u);
  EXPECT_EQ(policy.on_exhaustion(), v1::EXHAUSTION_FALLBACK);
  const auto& backoff = policy.backoff().exponential();
  EXPECT_EQ(backoff.base().nanos(), 500'000'000);
  EXPECT_EQ(backoff.max().seconds(), 9);
  EXPECT_EQ(backoff.jitter(), v1::JITTER_FULL);
  EXPECT_FALSE(policy.has_budget());
  v1::Upstream upstream;
  upstream.add_endpoints()->set_weight(0);
  FillDefaults(upstream);
  EXPECT_EQ(upstream.endpoints(0).weight(), 0u);
  EXPECT_EQ(upstream.endpoints(0).state(), v1::ENDPOINT_STATE_ACTIVE);
  EXPECT_FALSE(upstream.has_pool());
}

TEST(WordingTest, SuggestsOnlyWhatIsNear) {
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(EditDistance("opnai", "openai"), 1u);
  EXPECT_EQ(EditDistance("ab", "ba"), 1u);
  EXPECT_EQ(Nearest("opnai", {"anthropic", "openai"}), "openai");
  EXPECT_EQ(Nearest("mistral", {"anthropic", "openai"}), "");
  EXPECT_EQ(Nearest("a", {"b"}), "");
}

TEST(WordingTest, MasksASecretAndCutsAText) {
  EXPECT_EQ(Masked("sk-abcdef"), "sk-a… (9 characters)");
  EXPECT_EQ(Shown("a\"b\n"), "\"a\\\"b\\n\"");
  EXPECT_EQ(Shown(std::string(70, 'x')), "\"" + std::string(64, 'x') + "\"…");
}

TEST(DiffTest, NamesEveryFieldInYamlForm) {
  const auto load = [](const std::string& yaml) {
    return LoadPolicyText(yaml, "p").resources.at(0).resource;
  };
  const v1::Resource before = load(
      "kind: Route\nname: chat\nrevision: 1\nlabels: {a: x}\nmatch: {model: m}\nretry: fast\n"
      "targets: [{upstream: a, weight: 80}, {upstream: b}]\n");
  const v1::Resource after = load(
      "kind: Route\nname: chat\nrevision: 2\nlabels: {a: z}\nmatch: {model: m}\n"
      "retry: {backoff: {fixed: {delay: 1s}}}\ntargets: [{upstream: a, weight: 70}]\n"
      "timeouts: {idle: 5s}\n");
  const v1::Change change = DiffResources(&before, &after);
  EXPECT_EQ(change.action(), v1::CHANGE_ACTION_UPDATED);
  std::vector<std::string> texts;
  for (const v1::FieldChange& field : change.fields()) {
    texts.push_back(field.path() + ": " + field.before() + " -> " + field.after());
  }
  EXPECT_THAT(texts, ElementsAre("labels.a: x -> z", "targets[0].weight: 80 -> 70",
                                 "targets[1]: {upstream: b} -> ",
                                 "retry: fast -> {backoff: {fixed: {delay: 1s}}}",
                                 "timeouts:  -> {idle: 5s}"));
  EXPECT_EQ(DiffResources(nullptr, &after).action(), v1::CHANGE_ACTION_CREATED);
  EXPECT_EQ(DiffResources(&before, nullptr).action(), v1::CHANGE_ACTION_DELETED);
  EXPECT_EQ(DiffResources(&before, &before).action(), v1::CHANGE_ACTION_UNCHANGED);
}

}  // namespace
}  // namespace sluice
