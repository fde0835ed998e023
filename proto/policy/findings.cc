#include "proto/policy/findings.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "proto/policy/kinds.h"
#include "proto/policy/validator.h"
#include "proto/policy/wording.h"

namespace sluice {
namespace {

class Findings {
 public:
  explicit Findings(const LoadResult& loaded) : lost_(loaded.lost) {
    for (const LoadedResource& each : loaded.resources) {
      by_id_.emplace(ResourceId(each.resource), &each);
      if (!each.sound) lost_.push_back({std::string(KindOf(each.resource)), each.resource.meta().name()});
    }
  }

  std::vector<PolicyError> Of(absl::Span<const v1::Violation> violations) const {
    std::vector<PolicyError> errors;
    for (const v1::Violation& violation : violations) {
      if (!MayComeFromWhatIsLost(violation)) errors.push_back(AtItsLine(violation));
    }
    return errors;
  }

 private:
  bool MayComeFromWhatIsLost(const v1::Violation& violation) const {
    const LoadedResource* loaded = Find(violation);
    if (loaded != nullptr && !loaded->sound) return true;
    return std::any_of(lost_.begin(), lost_.end(), [&](const LostDocument& lost) {
      // The message begins with the name that was not found.
      if (violation.code() == "UNKNOWN_REFERENCE") {
        return lost.name.empty() || absl::StartsWith(violation.message(), Shown(lost.name));
      }
      return violation.code() == "DUPLICATE" && !lost.kind.empty() &&
             absl::StrContains(violation.message(), ResourceId(lost.kind, lost.name));
    });
  }

  PolicyError AtItsLine(const v1::Violation& violation) const {
    PolicyError error;
    if (!violation.resource().name().empty()) {
      error.resource = ResourceId(violation.resource().kind(), violation.resource().name());
    }
    error.path = violation.path();
    error.message = MessageOf(violation);
    if (const LoadedResource* loaded = Find(violation)) {
      error.file = loaded->file;
      error.line = loaded->LineOf(violation.path());
    }
    return error;
  }

  const LoadedResource* Find(const v1::Violation& violation) const {
    const auto found = by_id_.find(ResourceId(violation.resource().kind(), violation.resource().name()));
    return found == by_id_.end() ? nullptr : found->second;
  }

  std::vector<LostDocument> lost_;
  std::map<std::string, const LoadedResource*> by_id_;
};

}  // namespace

std::vector<const v1::Resource*> SoundResources(const LoadResult& loaded) {
  std::vector<const v1::Resource*> sound;
  for (const LoadedResource& each : loaded.resources) {
    if (each.sound) sound.push_back(&each.resource);
  }
  return sound;
}

std::vector<PolicyError> FindingsOf(const LoadResult& loaded, absl::Span<const v1::Violation> violations) {
  return Findings(loaded).Of(violations);
}

std::vector<PolicyError> ValidateLoaded(const LoadResult& loaded) {
  return FindingsOf(loaded, ValidatePolicies(SoundResources(loaded)));
}

std::string MessageOf(const v1::Violation& violation) {
  const std::string& suggestion = violation.suggestion();
  if (suggestion.empty() || absl::StrContains(violation.message(), suggestion)) return violation.message();
  // Only of what was written can one ask whether something else was meant.
  const bool misspelt = absl::StartsWith(violation.code(), "UNKNOWN_");
  return misspelt ? absl::StrCat(violation.message(), "; did you mean ", Shown(suggestion), "?")
                  : absl::StrCat(violation.message(), "; try ", suggestion);
}

}  // namespace sluice
