// What `-f` names: files read into resources, and findings about them with the
// line they are on. No thread, no network.
#ifndef SLUICE_CONTROLPLANE_CTL_POLICY_INPUT_H_
#define SLUICE_CONTROLPLANE_CTL_POLICY_INPUT_H_

#include <ostream>
#include <string>
#include <vector>

#include "controlplane/ctl/output.h"
#include "proto/policy/findings.h"
#include "proto/policy/yaml_loader.h"
#include "sluice/v1/control.pb.h"

namespace sluice::ctl {

class PolicyInput {
 public:
  // Every path in turn. A resource that comes twice and an input without any
  // are errors too.
  static PolicyInput Read(const std::vector<std::string>& paths);

  // Without those that are not whole.
  std::vector<const v1::Resource*> resources() const { return SoundResources(loaded_); }
  bool ok() const { return errors_.empty(); }

  // Adds findings of a validator that saw resources(). Beside errors of the
  // loader only those count that cannot come from what it had to leave out.
  template <class List>
  void AddViolations(const List& violations) {
    AddErrors(FindingsOf(loaded_, std::vector<v1::Violation>(violations.begin(), violations.end())));
  }

  // Every error, in order of file and line: "broken.yaml:14: route/chat: …".
  void PrintErrors(Output& output) const;
  // The same as text.
  void PrintErrors(std::ostream& err) const;

 private:
  std::vector<const PolicyError*> Sorted() const;
  void AddErrors(std::vector<PolicyError> errors);

  LoadResult loaded_;
  std::vector<PolicyError> errors_;
};

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_POLICY_INPUT_H_
