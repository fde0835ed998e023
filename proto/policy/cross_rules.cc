#include "proto/policy/cross_rules.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "proto/policy/defaults.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/endpoint_rules.h"
#include "proto/policy/forms.h"
#include "proto/policy/kinds.h"
#include "proto/policy/wording.h"

namespace sluice {
namespace {

using google::protobuf::DynamicCastToGenerated;

// "50ms is below base (100ms); must be >= base" at the field that was set; a
// bound that is only a default is called one.
void CheckWaits(const google::protobuf::Duration* low_set, absl::Duration low,
                absl::string_view low_name, const google::protobuf::Duration* high_set,
                absl::Duration high, absl::string_view high_name, const std::string& path,
                Violations& out) {
  if (high >= low) return;
  const std::string low_text = FormatDurationText(low);
  const std::string high_text = FormatDurationText(high);
  if (high_set != nullptr) {
    out.Add(FieldPath(path, high_name), "CONFLICT",
            absl::StrCat(high_text, " is below ", low_name, " (", low_text,
                         low_set == nullptr ? ", the default" : "", "); must be >= ", low_name),
            low_text);
  } else {
    out.Add(FieldPath(path, low_name), "CONFLICT",
            absl::StrCat(low_text, " is above ", high_name, " (", high_text,
                         ", the default); must be <= ", high_name),
            high_text);
  }
}

void Check(const v1::ExponentialBackoff& given, const std::string& path, Violations& out) {
  v1::ExponentialBackoff full = given;
  FillDefaults(full);
  CheckWaits(given.has_base() ? &given.base() : nullptr, ToAbsl(full.base()), "base",
             given.has_max() ? &given.max() : nullptr, ToAbsl(full.max()), "max", path, out);
}

void Check(const v1::ReactorBackoff& given, const std::string& path, Violations& out) {
  v1::ReactorBackoff full = given;
  FillDefaults(full);
  CheckWaits(given.has_min() ? &given.min() : nullptr, ToAbsl(full.min()), "min",
             given.has_max() ? &given.max() : nullptr, ToAbsl(full.max()), "max", path, out);
}

// Only what was written contradicts: a default that is longer than a bound
// that was written simply never takes effect.
void CheckWithin(const google::protobuf::Duration* part, absl::string_view name,
                 const google::protobuf::Duration* whole, absl::string_view whole_name,
                 const std::string& path, Violations& out) {
  if (part == nullptr || whole == nullptr || ToAbsl(*part) <= ToAbsl(*whole)) return;
  const std::string bound = FormatDurationText(ToAbsl(*whole));
  out.Add(FieldPath(path, name), "CONFLICT",
          absl::StrCat(FormatDurationText(ToAbsl(*part)), " is above ", whole_name, " (", bound,
                       "); must be <= ", whole_name),
          bound);
}

void Check(const v1::Timeouts& t, const std::string& path, Violations& out) {
  const auto* overall = t.has_overall() ? &t.overall() : nullptr;
  const auto within = [&](bool set, const google::protobuf::Duration& part, absl::string_view name) {
    CheckWithin(set ? &part : nullptr, name, overall, "overall", path, out);
  };
  within(t.has_connect(), t.connect(), "connect");
  within(t.has_first_content(), t.first_content(), "first_content");
  within(t.has_idle(), t.idle(), "idle");
  within(t.has_unary_total(), t.unary_total(), "unary_total");
}

void Check(const v1::ConnectionPool& pool, const std::string& path, Violations& out) {
  if (pool.has_max_idle() && pool.has_max_open() && pool.max_idle() > pool.max_open()) {
    out.Add(FieldPath(path, "max_idle"), "CONFLICT",
            absl::StrCat(pool.max_idle(), " is above max_open (", pool.max_open(),
                         "); must be <= max_open"),
            absl::StrCat(pool.max_open()));
  }
  CheckWithin(pool.has_max_idle_time() ? &pool.max_idle_time() : nullptr, "max_idle_time",
              pool.has_max_lifetime() ? &pool.max_lifetime() : nullptr, "max_lifetime", path, out);
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

void Check(const v1::Match& match, const std::string& path, Violations& out) {
  std::map<std::string, std::string> sorted(match.metadata().begin(), match.metadata().end());
  for (const auto& [key, value] : sorted) {
    const std::string at = KeyPath(FieldPath(path, "metadata"), key);
    if (const auto status = CheckMetadataKey(key); !status.ok()) {
      out.Add(at, "BAD_FORM", std::string(status.message()));
    } else if (!IsHeaderValue(value)) {
      out.Add(at, "BAD_FORM", "has a value that metadata cannot carry; use visible ASCII");
    }
  }
  if (!IsHeaderValue(match.tenant())) {
    out.Add(FieldPath(path, "tenant"), "BAD_FORM",
            "has a value that metadata cannot carry; use visible ASCII");
  }
}

void Check(const v1::Target& target, const std::string& path, Violations& out) {
  if (target.model().empty()) return;
  if (target.model() == "*") {
    out.Add(FieldPath(path, "model"), "BAD_FORM",
            "\"*\" is no model's name; leave it out to keep the caller's");
  } else if (const auto status = CheckForm("model", target.model()); !status.ok()) {
    out.Add(FieldPath(path, "model"), "BAD_FORM", std::string(status.message()));
  }
}

void Check(const v1::Route& route, const std::string& path, Violations& out) {
  const bool any = std::any_of(
      route.targets().begin(), route.targets().end(),
      [](const v1::Target& target) { return !target.has_weight() || target.weight() > 0; });
  if (!any && !route.targets().empty()) {
    out.Add(FieldPath(path, "targets"), "CONFLICT",
            "every weight is 0, so that no call could go anywhere; give one target a weight");
  }
}

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

void Check(const v1::EndpointList& list, const std::string& path, Violations& out) {
  CheckEndpoints(list.endpoints(), FieldPath(path, "endpoints"), out);
}

template <typename T>
bool CheckIf(const google::protobuf::Message& message, const std::string& path, Violations& out) {
  const T* typed = DynamicCastToGenerated<T>(&message);
  if (typed != nullptr) Check(*typed, path, out);
  return typed != nullptr;
}

template <typename... T>
void CheckFirstOf(const google::protobuf::Message& message, const std::string& path,
                  Violations& out) {
  (CheckIf<T>(message, path, out) || ...);
}

// Equal for two routes that match exactly the same calls.
std::string MatchKey(const v1::Match& match) {
  std::map<std::string, std::string> sorted(match.metadata().begin(), match.metadata().end());
  std::string key = absl::StrCat(EscapedQuoted(match.model()), EscapedQuoted(match.tenant()));
  for (const auto& [name, value] : sorted) {
    absl::StrAppend(&key, EscapedQuoted(name), EscapedQuoted(value));
  }
  return key;
}

}  // namespace

void CheckTogether(const google::protobuf::Message& message, const std::string& path,
                   Violations& out) {
  CheckFirstOf<v1::ExponentialBackoff, v1::ReactorBackoff, v1::Timeouts, v1::ConnectionPool,
               v1::RetryPolicy, v1::Match, v1::Target, v1::Route, v1::Upstream,
               v1::EndpointList>(message, path, out);
}

void CheckAcross(absl::Span<const v1::Resource* const> all, Violations& out) {
  std::set<std::string> ids;
  std::map<std::string, std::string> matches;
  for (const v1::Resource* resource : all) {
    out.Enter(std::string(KindOf(*resource)), resource->meta().name());
    if (!ids.insert(ResourceId(*resource)).second) {
      out.Add("name", "DUPLICATE", absl::StrCat(ResourceId(*resource), " is there twice"));
      continue;
    }
    if (!resource->has_route() || resource->route().match().model().empty()) continue;
    const auto [place, added] =
        matches.emplace(MatchKey(resource->route().match()), ResourceId(*resource));
    if (!added) {
      out.Add("match", "DUPLICATE",
              absl::StrCat("is the same as that of ", place->second,
                           "; one of the two would never take a call"));
    }
  }
}

}  // namespace sluice
