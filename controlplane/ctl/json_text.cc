#include "controlplane/ctl/json_text.h"

#include "google/protobuf/util/json_util.h"

namespace sluice::ctl {

std::string JsonText(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return "{}";
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace sluice::ctl
