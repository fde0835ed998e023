#include "proto/policy/retry_rules.h"

#include <cstdint>
#include <set>

#include "absl/strings/str_cat.h"

#include "proto/policy/bounds.h"
#include "proto/policy/defaults.h"
#include "proto/policy/wording.h"

namespace sluice {

void Check(const v1::ExponentialBackoff& backoff, const std::string& path, Violations& out) {
  v1::ExponentialBackoff full = backoff;
  FillDefaults(full);
  CheckCap(SLUICE_WRITTEN_TIME(backoff, base), ToAbsl(full.base()), SLUICE_WRITTEN_TIME(backoff, max),
           ToAbsl(full.max()), path, out);
}

void Check(const v1::ReactorBackoff& backoff, const std::string& path, Violations& out) {
  v1::ReactorBackoff full = backoff;
  FillDefaults(full);
  CheckCap(SLUICE_WRITTEN_TIME(backoff, min), ToAbsl(full.min()), SLUICE_WRITTEN_TIME(backoff, max),
           ToAbsl(full.max()), path, out);
}

void Check(const v1::RetryPolicy& policy, const std::string& path, Violations& out) {
  // Statuses by which a server says that the request itself is wrong or that
  // it will never serve it: the same request gets the same answer. (400 is out of the
  // field's range already.)
  static const auto& kHopeless = *new std::set<std::uint32_t>{
      405, 406, 410, 411, 412, 413, 414, 415, 416, 417, 422, 426, 428, 431, 451, 501, 505};
  std::set<std::uint32_t> seen;
  for (int i = 0; i < policy.retry_on_status_size(); ++i) {
    const std::uint32_t status = policy.retry_on_status(i);
    const std::string at = IndexPath(FieldPath(path, "retry_on_status"), i);
    if (!seen.insert(status).second) {
      out.Add(at, "DUPLICATE", absl::StrCat(status, " is there already"));
    } else if (kHopeless.count(status) != 0) {
      out.Add(at, "CONFLICT",
              absl::StrCat(status, " tells that the request itself is wrong; no retry mends it"));
    }
  }
}

}  // namespace sluice
