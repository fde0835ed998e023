#include "controlplane/ctl/policy_input.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "proto/policy/duplicate_resources.h"

namespace sluice::ctl {

PolicyInput PolicyInput::Read(const std::vector<std::string>& paths) {
  PolicyInput input;
  for (const std::string& path : paths) {
    LoadResult loaded = LoadPolicyPath(path);
    if (loaded.resources.empty() && loaded.errors.empty()) {
      loaded.errors.push_back({.file = path == "-" ? "stdin" : path, .line = 0, .resource = "", .path = "",
                               .message = "holds no policy"});
    }
    input.loaded_.Append(std::move(loaded));
  }
  RefuseDuplicateResources(input.loaded_);
  input.errors_ = input.loaded_.errors;
  return input;
}

void PolicyInput::AddErrors(std::vector<PolicyError> errors) {
  std::move(errors.begin(), errors.end(), std::back_inserter(errors_));
}

std::vector<const PolicyError*> PolicyInput::Sorted() const {
  std::vector<const PolicyError*> sorted;
  for (const PolicyError& error : errors_) sorted.push_back(&error);
  std::stable_sort(sorted.begin(), sorted.end(), [](const PolicyError* a, const PolicyError* b) {
    return std::tie(a->file, a->line) < std::tie(b->file, b->line);
  });
  return sorted;
}

void PolicyInput::PrintErrors(Output& output) const {
  for (const PolicyError* error : Sorted()) {
    output.Add({.file = error->file, .line = error->line, .resource = error->resource, .path = error->path,
                .message = error->message, .node = ""});
  }
}

void PolicyInput::PrintErrors(std::ostream& err) const {
  for (const PolicyError* error : Sorted()) err << error->ToString() << "\n";
}

}  // namespace sluice::ctl
