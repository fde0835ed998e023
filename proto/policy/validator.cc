#include "proto/policy/validator.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "proto/policy/cross_rules.h"
#include "proto/policy/field_rules.h"
#include "proto/policy/kinds.h"
#include "proto/policy/named_path.h"
#include "proto/policy/schema.h"
#include "proto/policy/violations.h"
#include "proto/policy/wording.h"

namespace sluice {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

class Walk {
 public:
  Walk(const KnownNames& names, Violations& out) : names_(names), out_(out) {}

  void Check(const Message& message, const std::string& path) {
    const auto& type = *message.GetDescriptor();
    if (RulesOf(type).not_served()) {
      out_.Add(path, "NOT_SERVED",
               absl::StrCat(type.name(), " is not served by this version of Sluice; leave it out"));
      return;
    }
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      const std::string field_path = ChildPath(path, field);
      if (CheckField(message, field, field_path, names_, out_) && IsStructure(field)) {
        CheckInside(message, field, field_path);
      }
    }
    CheckOneof(message, path);
    CheckTogether(message, path, out_);
  }

 private:
  void CheckInside(const Message& message, const FieldDescriptor& field, const std::string& path) {
    const auto* reflection = message.GetReflection();
    if (!field.is_repeated()) return Check(reflection->GetMessage(message, &field), path);
    for (int i = 0; i < reflection->FieldSize(message, &field); ++i) {
      Check(reflection->GetRepeatedMessage(message, &field, i), IndexPath(path, i));
    }
  }

  // A oneof called `kind` is what its message is about: one must be chosen.
  void CheckOneof(const Message& message, const std::string& path) {
    const auto* oneof = message.GetDescriptor()->FindOneofByName("kind");
    if (oneof == nullptr || message.GetReflection()->HasOneof(message, oneof)) return;
    if (RulesOf(*message.GetDescriptor()).optional_kind()) return;
    const ChoiceFields choice = ChoiceOf(*message.GetDescriptor());
    out_.Add(path, "REQUIRED",
             choice.in_place == nullptr
                 ? absl::StrCat("says nothing; set one of ", AnyOf(OneofNames(*oneof)))
                 : absl::StrCat("says nothing; write the name of a ",
                                choice.in_place->message_type()->name(), " or its fields"));
  }

  const KnownNames& names_;
  Violations& out_;
};

void CheckResource(const v1::Resource& resource, const KnownNames& names, Violations& out) {
  out.Enter(std::string(KindOf(resource)), resource.meta().name());
  Walk walk(names, out);
  walk.Check(resource.meta(), "");
  if (KindOf(resource).empty()) {
    out.Add("", "REQUIRED", "has no spec; it is of no kind that is known here");
    return;
  }
  walk.Check(SpecOf(resource), "");
}

// "endpoints[backup]" in place of "endpoints[1]".
void NamePaths(absl::Span<const v1::Resource* const> all, std::vector<v1::Violation>& violations) {
  if (violations.empty()) return;
  std::map<std::string, const v1::Resource*> by_id;
  for (const v1::Resource* resource : all) by_id.emplace(ResourceId(*resource), resource);
  for (v1::Violation& violation : violations) {
    const auto found = by_id.find(ResourceId(violation.resource().kind(), violation.resource().name()));
    if (found != by_id.end()) violation.set_path(NamedPath(*found->second, violation.path()));
  }
}

}  // namespace

std::vector<v1::Violation> ValidatePolicies(absl::Span<const v1::Resource* const> all) {
  KnownNames names;
  for (const v1::Resource* resource : all) {
    names[std::string(KindOf(*resource))].push_back(resource->meta().name());
  }
  for (auto& [kind, list] : names) std::sort(list.begin(), list.end());
  Violations out;
  for (const v1::Resource* resource : all) CheckResource(*resource, names, out);
  CheckAcross(all, out);
  std::vector<v1::Violation> violations = out.Take();
  NamePaths(all, violations);
  return violations;
}

}  // namespace sluice
