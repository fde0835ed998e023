// What `-f` names: files read into resources, and findings about them with the
// line they are on. No thread, no network.
#ifndef SLUICE_CONTROLPLANE_CTL_POLICY_INPUT_H_
#define SLUICE_CONTROLPLANE_CTL_POLICY_INPUT_H_

#include <ostream>
#include <string>
#include <vector>

#include "proto/policy/yaml_loader.h"
#include "sluice/v1/control.pb.h"

namespace sluice::ctl {

class PolicyInput {
 public:
  // Every path in turn. A resource that comes twice and an input without any
  // are errors too.
  static PolicyInput Read(const std::vector<std::string>& paths);

  const std::vector<LoadedResource>& resources() const { return resources_; }
  bool ok() const { return errors_.empty(); }

  // Adds findings of a validator. Beside errors of the loader only those
  // count that cannot come from what the loader had to leave out.
  template <class Violations>
  void AddViolations(const Violations& violations) {
    const bool whole = ok();
    for (const v1::Violation& violation : violations) AddViolation(violation, whole);
  }

  // Every error, in order of file and line: "broken.yaml:14: route/chat: …".
  void PrintErrors(std::ostream& err) const;

 private:
  void AddViolation(const v1::Violation& violation, bool whole);
  void RefuseDuplicates();
  const LoadedResource* Find(const std::string& id) const;

  std::vector<LoadedResource> resources_;
  std::vector<PolicyError> errors_;
};

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_POLICY_INPUT_H_
