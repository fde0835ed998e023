#include "server/config/policy_check.h"

#include <utility>

#include "server/config/policy_compiler.h"

namespace sluice {
namespace {

// Nobody reads more, and the answer is bounded.
constexpr size_t kMaxViolations = 50;

// The change as an update of what is held.
v1::Update UpdateOf(const ResourceSet& held, const v1::PolicyCheckQuery& query) {
  v1::Update update;
  // Where nothing is held, any name does.
  update.set_epoch(held.epoch.empty() ? "check" : held.epoch);
  update.set_revision(held.revision);
  *update.mutable_upserts() = query.upserts();
  *update.mutable_removals() = query.removals();
  return update;
}

}  // namespace

v1::PolicyCheck CheckPolicies(const ResourceSet& held, const v1::PolicyCheckQuery& query, const ConfigOptions& options,
                              TimePoint now) {
  UpdatedSet updated = ApplyUpdate(held, UpdateOf(held, query));
  if (updated.violations.empty()) {
    PolicyCompiler compiler(options.allow, options.zone);
    updated.violations =
        compiler.Compile(updated.set.epoch, updated.set.revision, updated.set.All(), now).violations;
  }
  v1::PolicyCheck check;
  for (v1::Violation& violation : updated.violations) {
    if (static_cast<size_t>(check.violations_size()) == kMaxViolations) break;
    *check.add_violations() = std::move(violation);
  }
  return check;
}

}  // namespace sluice
