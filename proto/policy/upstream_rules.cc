#include "proto/policy/upstream_rules.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "proto/policy/bounds.h"
#include "proto/policy/endpoint_rules.h"
#include "proto/policy/forms.h"
#include "proto/policy/wording.h"

namespace sluice {
namespace {

void CheckHeaders(const v1::Upstream& upstream, const std::string& path, Violations& out) {
  std::map<std::string, std::string> sorted(upstream.headers().begin(), upstream.headers().end());
  std::set<std::string> seen;
  for (const auto& [name, value] : sorted) {
    const std::string at = KeyPath(FieldPath(path, "headers"), name);
    if (const auto status = CheckHeaderName(name); !status.ok()) {
      out.Add(at, "BAD_FORM", std::string(status.message()));
    } else if (!seen.insert(absl::AsciiStrToLower(name)).second) {
      out.Add(at, "DUPLICATE", "is there already; letter case does not tell headers apart");
    } else if (!IsHeaderValue(value)) {
      // Its value is not shown: it may be a secret all the same.
      out.Add(at, "BAD_FORM", "has a value that a header cannot carry; use visible ASCII");
    }
  }
}

void CheckCredentials(const v1::Upstream& upstream, const std::string& path, Violations& out) {
  if (!upstream.credential().empty() && !upstream.credentials().empty()) {
    out.Add(FieldPath(path, "credentials"), "CONFLICT",
            "excludes credential; write every credential in credentials, or leave it out");
  }
  std::map<std::string, int> seen;
  for (int i = 0; i < upstream.credentials_size(); ++i) {
    const auto [place, added] = seen.emplace(upstream.credentials(i), i);
    if (added) continue;
    // Not shown: what is no credential's name may be the secret itself.
    const std::string list = FieldPath(path, "credentials");
    out.Add(IndexPath(list, i), "DUPLICATE",
            absl::StrCat("is the same as ", IndexPath(list, place->second), "; each takes its turn once"));
  }
}

// Endpoints in a list of their own come and go while this upstream stays.
void CheckZones(const v1::Upstream& upstream, const std::string& path, Violations& out) {
  if (!upstream.balance().prefer_same_zone() || upstream.endpoints().empty()) return;
  const bool any = std::any_of(upstream.endpoints().begin(), upstream.endpoints().end(),
                               [](const v1::Endpoint& endpoint) { return !endpoint.zone().empty(); });
  if (any) return;
  out.Add(FieldPath(FieldPath(path, "balance"), "prefer_same_zone"), "CONFLICT",
          "no endpoint says its zone, so that none could be preferred; give the endpoints their zone");
}

}  // namespace

void Check(const v1::Upstream& upstream, const std::string& path, Violations& out) {
  const bool listed = !upstream.endpoint_list().empty();
  if (listed && !upstream.endpoints().empty()) {
    out.Add(FieldPath(path, "endpoints"), "CONFLICT",
            "excludes endpoint_list; write the endpoints here or name a list");
  } else if (!listed && upstream.endpoints().empty()) {
    out.Add(FieldPath(path, "endpoints"), "REQUIRED",
            "is required: at least one endpoint, or the name of an endpoint_list");
  }
  CheckEndpoints(upstream.endpoints(), FieldPath(path, "endpoints"), out);
  CheckHeaders(upstream, path, out);
  CheckCredentials(upstream, path, out);
  CheckZones(upstream, path, out);
}

void Check(const v1::EndpointList& list, const std::string& path, Violations& out) {
  CheckEndpoints(list.endpoints(), FieldPath(path, "endpoints"), out);
}

void Check(const v1::ConnectionPool& pool, const std::string& path, Violations& out) {
  CheckWithin(SLUICE_WRITTEN_COUNT(pool, max_idle), SLUICE_WRITTEN_COUNT(pool, max_open), path, out);
  CheckWithin(SLUICE_WRITTEN_TIME(pool, max_idle_time), SLUICE_WRITTEN_TIME(pool, max_lifetime), path, out);
}

void Check(const v1::ConcurrencyLimits& limits, const std::string& path, Violations& out) {
  if (!limits.has_max_requests() && !limits.has_max_pending() && !limits.has_max_tokens_in_flight() &&
      !limits.adaptive()) {
    out.Add(path, "REQUIRED",
            "limits nothing; set max_requests, max_pending, max_tokens_in_flight or adaptive");
  }
  for (const auto& [name, written] : {std::pair<absl::string_view, bool>{"adaptive_min", limits.has_adaptive_min()},
                                      {"adaptive_max", limits.has_adaptive_max()}}) {
    if (!written || limits.adaptive()) continue;
    out.Add(FieldPath(path, name), "CONFLICT",
            "bounds the adaptive limit, which is off; set adaptive: true or leave it out");
  }
  CheckWithin(SLUICE_WRITTEN_COUNT(limits, max_pending), SLUICE_WRITTEN_COUNT(limits, max_requests), path, out);
  if (!limits.adaptive()) return;
  CheckWithin(SLUICE_WRITTEN_COUNT(limits, adaptive_min), SLUICE_WRITTEN_COUNT(limits, adaptive_max), path, out);
  CheckWithin(SLUICE_WRITTEN_COUNT(limits, adaptive_min), SLUICE_WRITTEN_COUNT(limits, max_requests), path, out);
}

void Check(const v1::HealthCheck& check, const std::string& path, Violations& out) {
  CheckWithin(SLUICE_WRITTEN_TIME(check, timeout), SLUICE_WRITTEN_TIME(check, interval), path, out);
}

void Check(const v1::OutlierDetection& outlier, const std::string& path, Violations& out) {
  CheckWithin(SLUICE_WRITTEN_TIME(outlier, base_ejection), SLUICE_WRITTEN_TIME(outlier, max_ejection), path, out);
  if (outlier.has_max_ejected_percent() && outlier.max_ejected_percent() == 0) {
    out.Add(FieldPath(path, "max_ejected_percent"), "CONFLICT",
            "0 ejects nothing; allow some, or leave outlier_detection out", "50");
  }
}

void Check(const v1::CircuitBreaker& breaker, const std::string& path, Violations& out) {
  CheckWithin(SLUICE_WRITTEN_TIME(breaker, open), SLUICE_WRITTEN_TIME(breaker, max_open), path, out);
}

}  // namespace sluice
