// FindUnknown and ReferrersOf: walks over what is there.
#include <functional>
#include <set>

#include "absl/strings/str_cat.h"
#include "google/protobuf/unknown_field_set.h"

#include "proto/policy/kinds.h"
#include "proto/policy/schema.h"
#include "proto/policy/validator.h"
#include "proto/policy/violations.h"
#include "proto/policy/wording.h"

namespace sluice {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

struct Visitor {
  // Every message, before what is in it.
  std::function<void(const Message&, const std::string& path)> message;
  // Every value of a field that is no structure; `index` -1 of a singular one.
  std::function<void(const Message&, const FieldDescriptor&, int index, const std::string& path)>
      value;
  // Whether to look at a field at all.
  std::function<bool(const FieldDescriptor&)> enter = [](const FieldDescriptor&) { return true; };
};

void Visit(const Message& message, const std::string& path, const Visitor& visitor) {
  const auto* reflection = message.GetReflection();
  visitor.message(message, path);
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->is_map() || !visitor.enter(*field)) continue;
    const std::string field_path = ChildPath(path, *field);
    const int size = field->is_repeated() ? reflection->FieldSize(message, field) : 1;
    for (int i = 0; i < size; ++i) {
      const int index = field->is_repeated() ? i : -1;
      const std::string at = field->is_repeated() ? IndexPath(field_path, i) : field_path;
      if (!IsStructure(*field)) {
        visitor.value(message, *field, index, at);
      } else {
        Visit(index < 0 ? reflection->GetMessage(message, field)
                        : reflection->GetRepeatedMessage(message, field, i),
              at, visitor);
      }
    }
  }
}

void NoteUnknownFields(const Message& message, const std::string& path, Violations& out) {
  const auto& unknown = message.GetReflection()->GetUnknownFields(message);
  std::set<int> numbers;
  for (int i = 0; i < unknown.field_count(); ++i) numbers.insert(unknown.field(i).number());
  for (const int number : numbers) {
    out.Add(path, "UNKNOWN_FIELD",
            absl::StrCat("field number ", number, " of ", message.GetDescriptor()->name(),
                         " is not known to this version of Sluice"));
  }
}

void NoteUnknownEnum(const Message& message, const FieldDescriptor& field, int index,
                     const std::string& path, Violations& out) {
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_ENUM) return;
  const auto* reflection = message.GetReflection();
  const int number = index < 0 ? reflection->GetEnumValue(message, &field)
                               : reflection->GetRepeatedEnumValue(message, &field, index);
  if (field.enum_type()->FindValueByNumber(number) != nullptr) return;
  out.Add(path, "UNKNOWN_ENUM",
          absl::StrCat(number, " is not a value of ", field.enum_type()->name(),
                       " known to this version of Sluice"));
}

}  // namespace

std::vector<v1::Violation> FindUnknown(const v1::Resource& resource) {
  Violations out;
  out.Enter(std::string(KindOf(resource)), resource.meta().name());
  Visitor visitor;
  visitor.enter = [](const FieldDescriptor& field) { return !RulesOf(field).ignorable(); };
  visitor.message = [&](const Message& message, const std::string& path) {
    NoteUnknownFields(message, path, out);
  };
  visitor.value = [&](const Message& message, const FieldDescriptor& field, int index,
                      const std::string& path) {
    NoteUnknownEnum(message, field, index, path, out);
  };
  NoteUnknownFields(resource, "", out);
  Visit(resource.meta(), "", visitor);
  if (!KindOf(resource).empty()) Visit(SpecOf(resource), "", visitor);
  return out.Take();
}

std::vector<std::string> ReferrersOf(std::string_view kind, std::string_view name,
                                     absl::Span<const v1::Resource* const> all) {
  std::vector<std::string> out;
  const FieldDescriptor* wanted = FindKind(kind);
  if (wanted == nullptr) return out;
  for (const v1::Resource* resource : all) {
    if (KindOf(*resource).empty()) continue;
    bool refers = false;
    Visitor visitor;
    visitor.message = [](const Message&, const std::string&) {};
    visitor.value = [&](const Message& message, const FieldDescriptor& field, int index,
                        const std::string&) {
      if (RulesOf(field).refers_to() != wanted->message_type()->name()) return;
      const auto* reflection = message.GetReflection();
      refers = refers || name == (index < 0 ? reflection->GetString(message, &field)
                                            : reflection->GetRepeatedString(message, &field, index));
    };
    Visit(SpecOf(*resource), "", visitor);
    if (refers) out.push_back(ResourceId(*resource));
  }
  return out;
}

}  // namespace sluice
