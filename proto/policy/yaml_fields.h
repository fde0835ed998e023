// Fills a message from a tree, along its descriptor, and reports everything
// that does not fit. Used inside proto/policy only; one thread at a time.
#ifndef SLUICE_PROTO_POLICY_YAML_FIELDS_H_
#define SLUICE_PROTO_POLICY_YAML_FIELDS_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

#include "proto/policy/policy_node.h"
#include "proto/policy/yaml_loader.h"

namespace sluice {

// A file that is wrong everywhere is not read by anybody to its end.
inline constexpr std::size_t kMaxPolicyErrors = 1000;

class FieldReader {
 public:
  // What is read of one resource: errors are appended to `errors`, the line
  // of each path is noted in `lines`. Both outlive the reader.
  FieldReader(std::string file, std::string resource, std::vector<PolicyError>* errors,
              std::map<std::string, int>* lines);

  // The fields of a map, each into the first of `targets` that has it. Keys in
  // `skipped` are somebody else's. Duplicate and unknown keys are errors.
  void ReadEntries(const PolicyNode& map, const std::vector<google::protobuf::Message*>& targets,
                   const std::vector<std::string>& skipped, const std::string& path);
  void ReadField(const PolicyNode& node, const google::protobuf::FieldDescriptor& field,
                 google::protobuf::Message& message, const std::string& path);
  // One entry, appended to a repeated field.
  void ReadElement(const PolicyNode& node, const google::protobuf::FieldDescriptor& field,
                   google::protobuf::Message& message, const std::string& path);
  void Error(int line, const std::string& path, std::string message);
  // An error of what was read well: the rest of the resource can be judged.
  void Contradiction(int line, const std::string& path, std::string message);
  // Something could not be read, whether its error was kept or is one too many.
  bool failed() const { return failed_; }

 private:
  void ReadMessage(const PolicyNode& node, google::protobuf::Message& message,
                   const std::string& path);
  void ReadChoice(const PolicyNode& node, google::protobuf::Message& message,
                  const std::string& path);
  void ReadVariantName(const PolicyNode& node, google::protobuf::Message& message,
                       const std::string& path);
  void ReadTextMap(const PolicyNode& node, const google::protobuf::FieldDescriptor& field,
                   google::protobuf::Message& message, const std::string& path);
  bool ReadKnownKey(const PolicyNode& entry,
                    const std::vector<google::protobuf::Message*>& targets,
                    const std::string& path);
  // The earlier entry with this key, or null.
  bool RefuseDuplicate(std::map<absl::string_view, int>& seen, const PolicyNode& entry,
                       const std::string& path);

  const std::string file_;
  const std::string resource_;
  std::vector<PolicyError>* const errors_;
  std::map<std::string, int>* const lines_;
  bool failed_ = false;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_YAML_FIELDS_H_
