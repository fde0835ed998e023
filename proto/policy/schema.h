// What the descriptors say of how a message looks in YAML: shared by loader,
// printer, validator, diff and set. Used inside proto/policy (and by
// `sluicectl explain`); any thread.
#ifndef SLUICE_PROTO_POLICY_SCHEMA_H_
#define SLUICE_PROTO_POLICY_SCHEMA_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "sluice/v1/options.pb.h"

namespace sluice {

const v1::FieldRules& RulesOf(const google::protobuf::FieldDescriptor& field);
const v1::MessageRules& RulesOf(const google::protobuf::Descriptor& message);
bool IsNotServed(const google::protobuf::EnumValueDescriptor& value);

bool IsDuration(const google::protobuf::Descriptor& message);
bool IsDuration(const google::protobuf::FieldDescriptor& field);
// A message with fields of its own in YAML: not a duration, not a map entry.
bool IsStructure(const google::protobuf::FieldDescriptor& field);
bool IsPercent(const google::protobuf::FieldDescriptor& field);

// Of a message that is `inline_or_reference`; null for every other.
struct ChoiceFields {
  const google::protobuf::FieldDescriptor* reference = nullptr;
  const google::protobuf::FieldDescriptor* in_place = nullptr;
};
ChoiceFields ChoiceOf(const google::protobuf::Descriptor& message);

// Members of oneofs that a bare string may select: those that are messages.
const google::protobuf::FieldDescriptor* FindVariant(
    const google::protobuf::Descriptor& message, absl::string_view name);
std::vector<std::string> VariantNames(const google::protobuf::Descriptor& message);
std::vector<std::string> FieldNames(const google::protobuf::Descriptor& message);
std::vector<std::string> OneofNames(const google::protobuf::OneofDescriptor& oneof);

// "FULL" of JITTER_FULL.
std::string ShortEnumName(const google::protobuf::EnumValueDescriptor& value);
// Short names of the values that this version serves.
std::vector<std::string> ServedEnumNames(const google::protobuf::EnumDescriptor& type);
// Short or full, any case; null for UNSPECIFIED and for what is unknown.
const google::protobuf::EnumValueDescriptor* FindEnumValue(
    const google::protobuf::EnumDescriptor& type, absl::string_view name);

// The path of a field within a message: the fields of an inline_or_reference
// message do not show.
std::string ChildPath(absl::string_view parent, const google::protobuf::FieldDescriptor& field);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_SCHEMA_H_
