#include "proto/policy/defaults.h"

#include "google/protobuf/stubs/logging.h"

#include "proto/policy/policy_node.h"
#include "proto/policy/schema.h"
#include "proto/policy/yaml_scalars.h"

namespace sluice {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

void FillField(Message& message, const FieldDescriptor& field) {
  const auto* reflection = message.GetReflection();
  if (field.is_map()) return;
  if (IsStructure(field)) {
    if (field.is_repeated()) {
      for (int i = 0; i < reflection->FieldSize(message, &field); ++i) {
        FillDefaults(*reflection->MutableRepeatedMessage(&message, &field, i));
      }
    } else if (reflection->HasField(message, &field)) {
      FillDefaults(*reflection->MutableMessage(&message, &field));
    }
    return;
  }
  const std::string& text = RulesOf(field).default_();
  if (text.empty() || field.is_repeated() || reflection->HasField(message, &field)) return;
  const absl::Status status = SetScalar(PolicyNode::Plain(text), field, message);
  // A test goes through every default there is.
  GOOGLE_DCHECK(status.ok()) << field.full_name() << ": " << status.ToString();
}

}  // namespace

void FillDefaults(Message& message) {
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    FillField(message, *message.GetDescriptor()->field(i));
  }
}

}  // namespace sluice
