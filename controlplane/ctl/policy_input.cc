#include "controlplane/ctl/policy_input.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "proto/policy/kinds.h"

namespace sluice::ctl {

PolicyInput PolicyInput::Read(const std::vector<std::string>& paths) {
  PolicyInput input;
  for (const std::string& path : paths) {
    LoadResult loaded = LoadPolicyPath(path);
    if (loaded.resources.empty() && loaded.errors.empty()) {
      input.errors_.push_back({.file = path, .line = 0, .resource = "", .path = "", .message = "holds no policy"});
    }
    std::move(loaded.resources.begin(), loaded.resources.end(), std::back_inserter(input.resources_));
    std::move(loaded.errors.begin(), loaded.errors.end(), std::back_inserter(input.errors_));
  }
  input.RefuseDuplicates();
  return input;
}

void PolicyInput::RefuseDuplicates() {
  std::map<std::string, const LoadedResource*> first;
  for (const LoadedResource& loaded : resources_) {
    const std::string id = ResourceId(loaded.resource);
    const auto [place, fresh] = first.emplace(id, &loaded);
    if (fresh) continue;
    errors_.push_back({.file = loaded.file,
                       .line = loaded.line,
                       .resource = id,
                       .path = "",
                       .message = absl::StrCat("is there twice, first at ", place->second->file, ":",
                                               place->second->line, "; keep one")});
  }
}

const LoadedResource* PolicyInput::Find(const std::string& id) const {
  const auto found = std::find_if(resources_.begin(), resources_.end(),
                                  [&](const LoadedResource& loaded) { return ResourceId(loaded.resource) == id; });
  return found == resources_.end() ? nullptr : &*found;
}

void PolicyInput::AddViolation(const v1::Violation& violation, bool whole) {
  const std::string id = ResourceId(violation.resource().kind(), violation.resource().name());
  const LoadedResource* loaded = Find(id);
  const bool half_read = std::any_of(errors_.begin(), errors_.end(), [&](const PolicyError& error) {
    return error.resource == id && (loaded == nullptr || error.file == loaded->file);
  });
  // What the loader refused may be just what is missed here.
  if (!whole && (half_read || violation.code() == "UNKNOWN_REFERENCE" || violation.code() == "REQUIRED")) return;
  PolicyError error;
  error.resource = id;
  error.path = violation.path();
  error.message = violation.message();
  if (!violation.suggestion().empty() && error.message.find(violation.suggestion()) == std::string::npos) {
    absl::StrAppend(&error.message, "; did you mean \"", violation.suggestion(), "\"?");
  }
  if (loaded != nullptr) {
    error.file = loaded->file;
    error.line = loaded->LineOf(violation.path());
  }
  errors_.push_back(std::move(error));
}

void PolicyInput::PrintErrors(std::ostream& err) const {
  std::vector<const PolicyError*> sorted;
  for (const PolicyError& error : errors_) sorted.push_back(&error);
  std::stable_sort(sorted.begin(), sorted.end(), [](const PolicyError* a, const PolicyError* b) {
    return std::tie(a->file, a->line) < std::tie(b->file, b->line);
  });
  for (const PolicyError* error : sorted) err << error->ToString() << "\n";
}

}  // namespace sluice::ctl
