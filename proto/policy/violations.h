// Where the validator's parts put what they find. Used inside proto/policy
// only; one thread at a time.
#ifndef SLUICE_PROTO_POLICY_VIOLATIONS_H_
#define SLUICE_PROTO_POLICY_VIOLATIONS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

class Violations {
 public:
  // A message of this many is as long as anybody reads, and small enough to
  // be sent in one response.
  static constexpr std::size_t kMax = 1000;

  void Enter(std::string kind, std::string name) {
    kind_ = std::move(kind);
    name_ = std::move(name);
  }

  void Add(std::string path, absl::string_view code, std::string message,
           std::string suggestion = "") {
    if (list_.size() > kMax) return;
    v1::Violation violation;
    violation.mutable_resource()->set_kind(kind_);
    violation.mutable_resource()->set_name(name_);
    if (list_.size() == kMax) {
      violation.set_code("MORE");
      violation.set_message("more is wrong; only the first 1000 findings are shown");
    } else {
      violation.set_path(std::move(path));
      violation.set_code(std::string(code));
      violation.set_message(std::move(message));
      violation.set_suggestion(std::move(suggestion));
    }
    list_.push_back(std::move(violation));
  }

  std::vector<v1::Violation> Take() { return std::move(list_); }

 private:
  std::string kind_;
  std::string name_;
  std::vector<v1::Violation> list_;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_VIOLATIONS_H_
