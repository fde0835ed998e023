#include "controlplane/ctl/references.h"

#include <algorithm>

#include "google/protobuf/descriptor.h"
#include "proto/policy/kinds.h"
#include "proto/policy/schema.h"

namespace sluice::ctl {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

void AddOnce(std::string id, std::vector<std::string>& ids) {
  if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(std::move(id));
}

void Collect(const Message& message, std::vector<std::string>& ids) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> set;
  reflection.ListFields(message, &set);
  for (const FieldDescriptor* field : set) {
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    const std::string& kind = RulesOf(*field).refers_to();
    for (int i = 0; i < count; ++i) {
      if (!kind.empty() && field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
        const std::string name = field->is_repeated() ? reflection.GetRepeatedString(message, field, i)
                                                      : reflection.GetString(message, field);
        if (!name.empty()) AddOnce(ResourceId(kind, name), ids);
      } else if (IsStructure(*field) && !field->is_map()) {
        Collect(field->is_repeated() ? reflection.GetRepeatedMessage(message, field, i)
                                     : reflection.GetMessage(message, field),
                ids);
      }
    }
  }
}

}  // namespace

std::vector<std::string> ReferencesOf(const v1::Resource& resource) {
  std::vector<std::string> ids;
  Collect(SpecOf(resource), ids);
  return ids;
}

std::vector<std::string> ReferrersOf(const std::string& id, const std::vector<v1::Resource>& all) {
  std::vector<std::string> referrers;
  for (const v1::Resource& resource : all) {
    const std::vector<std::string> references = ReferencesOf(resource);
    if (std::find(references.begin(), references.end(), id) != references.end()) referrers.push_back(ResourceId(resource));
  }
  return referrers;
}

}  // namespace sluice::ctl
