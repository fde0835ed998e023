#include "proto/policy/schema.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/duration.pb.h"

#include "proto/policy/wording.h"

namespace sluice {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::OneofDescriptor;

const v1::FieldRules& RulesOf(const FieldDescriptor& field) {
  return field.options().GetExtension(v1::rules);
}

const v1::MessageRules& RulesOf(const Descriptor& message) {
  return message.options().GetExtension(v1::message_rules);
}

bool IsNotServed(const EnumValueDescriptor& value) {
  return value.options().GetExtension(v1::value_rules).not_served();
}

bool IsDuration(const Descriptor& message) {
  return message.full_name() == google::protobuf::Duration::descriptor()->full_name();
}

bool IsDuration(const FieldDescriptor& field) {
  return field.message_type() != nullptr && IsDuration(*field.message_type());
}

bool IsStructure(const FieldDescriptor& field) {
  return field.message_type() != nullptr && !field.is_map() && !IsDuration(field);
}

bool IsPercent(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE &&
         absl::EndsWith(field.name(), "_percent");
}

ChoiceFields ChoiceOf(const Descriptor& message) {
  ChoiceFields out;
  if (!RulesOf(message).inline_or_reference()) return out;
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor* field = message.field(i);
    (IsStructure(*field) ? out.in_place : out.reference) = field;
  }
  return out;
}

const FieldDescriptor* FindVariant(const Descriptor& message, absl::string_view name) {
  const FieldDescriptor* field =
      message.FindFieldByName(absl::AsciiStrToLower(std::string(name)));
  if (field == nullptr || field->real_containing_oneof() == nullptr) return nullptr;
  return IsStructure(*field) ? field : nullptr;
}

std::vector<std::string> VariantNames(const Descriptor& message) {
  std::vector<std::string> names;
  for (int i = 0; i < message.field_count(); ++i) {
    if (FindVariant(message, message.field(i)->name()) != nullptr) {
      names.push_back(message.field(i)->name());
    }
  }
  return names;
}

std::vector<std::string> FieldNames(const Descriptor& message) {
  std::vector<std::string> names;
  for (int i = 0; i < message.field_count(); ++i) names.push_back(message.field(i)->name());
  return names;
}

std::vector<std::string> OneofNames(const OneofDescriptor& oneof) {
  std::vector<std::string> names;
  for (int i = 0; i < oneof.field_count(); ++i) names.push_back(oneof.field(i)->name());
  return names;
}

std::string ShortEnumName(const EnumValueDescriptor& value) {
  // By the style guide (and buf lint) the zero value is PREFIX_UNSPECIFIED.
  std::string prefix = value.type()->FindValueByNumber(0)->name();
  prefix.resize(prefix.size() - absl::string_view("UNSPECIFIED").size());
  return absl::StartsWith(value.name(), prefix) ? value.name().substr(prefix.size())
                                                : value.name();
}

std::vector<std::string> ServedEnumNames(const EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) {
    const EnumValueDescriptor& value = *type.value(i);
    if (value.number() != 0 && !IsNotServed(value)) names.push_back(ShortEnumName(value));
  }
  return names;
}

const EnumValueDescriptor* FindEnumValue(const EnumDescriptor& type, absl::string_view name) {
  for (int i = 0; i < type.value_count(); ++i) {
    const EnumValueDescriptor* value = type.value(i);
    if (value->number() == 0) continue;
    if (absl::EqualsIgnoreCase(name, value->name()) ||
        absl::EqualsIgnoreCase(name, ShortEnumName(*value))) {
      return value;
    }
  }
  return nullptr;
}

std::string ChildPath(absl::string_view parent, const FieldDescriptor& field) {
  if (RulesOf(*field.containing_type()).inline_or_reference()) return std::string(parent);
  return FieldPath(parent, field.name());
}

}  // namespace sluice
