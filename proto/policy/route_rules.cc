#include "proto/policy/route_rules.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"

#include "proto/policy/bounds.h"
#include "proto/policy/defaults.h"
#include "proto/policy/forms.h"
#include "proto/policy/wording.h"

namespace sluice {
namespace {

// A hedge that starts when the attempt beside it has timed out never starts: a
// timeout that is only a default counts too.
void CheckHedgeDelay(const v1::Route& route, const std::string& path, Violations& out) {
  if (!route.hedge().has_delay()) return;
  const absl::Duration delay = ToAbsl(route.hedge().delay());
  v1::Timeouts full = route.timeouts();
  FillDefaults(full);
  const bool by_content = ToAbsl(full.first_content()) <= ToAbsl(full.overall());
  const absl::Duration end = ToAbsl(by_content ? full.first_content() : full.overall());
  if (delay < end) return;
  const bool written = by_content ? route.timeouts().has_first_content() : route.timeouts().has_overall();
  const absl::string_view name = by_content ? "timeouts.first_content" : "timeouts.overall";
  out.Add(FieldPath(FieldPath(path, "hedge"), "delay"), "CONFLICT",
          absl::StrCat(FormatDurationText(delay), " is not before ", name, " (", FormatDurationText(end),
                       written ? "" : ", the default", "), when there is nothing left to hedge; must be < ", name));
}

// The deadline ends the wait of a call, whatever the queue allows.
void CheckWaits(const v1::Route& route, const std::string& path, Violations& out) {
  const WrittenTime overall{"timeouts.overall", SLUICE_WRITTEN_TIME(route.timeouts(), overall).value};
  CheckWithin(WrittenTime{"queue.max_wait", SLUICE_WRITTEN_TIME(route.queue(), max_wait).value}, overall, path, out);
  CheckWithin(WrittenTime{"queue.window", SLUICE_WRITTEN_TIME(route.queue(), window).value}, overall, path, out);
  CheckWithin(WrittenTime{"retry.backoff.fixed.delay",
                          SLUICE_WRITTEN_TIME(route.retry().inline_().backoff().fixed(), delay).value},
              overall, path, out);
}

void CheckRateLimits(const v1::Route& route, const std::string& path, Violations& out) {
  std::map<std::string, int> seen;
  for (int i = 0; i < route.rate_limits_size(); ++i) {
    const auto [place, added] = seen.emplace(route.rate_limits(i), i);
    if (added) continue;
    out.Add(IndexPath(FieldPath(path, "rate_limits"), i), "DUPLICATE",
            absl::StrCat(Shown(route.rate_limits(i)), " is there already; it is charged once"));
  }
}

void CheckWeights(const v1::Route& route, const std::string& path, Violations& out) {
  const bool any = std::any_of(
      route.targets().begin(), route.targets().end(),
      [](const v1::Target& target) { return !target.has_weight() || target.weight() > 0; });
  if (!any && !route.targets().empty()) {
    out.Add(FieldPath(path, "targets"), "CONFLICT",
            "every weight is 0, so that no call could go anywhere; give one target a weight");
  }
}

}  // namespace

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

void Check(const v1::Timeouts& timeouts, const std::string& path, Violations& out) {
  const WrittenTime overall = SLUICE_WRITTEN_TIME(timeouts, overall);
  CheckWithin(SLUICE_WRITTEN_TIME(timeouts, connect), overall, path, out);
  CheckWithin(SLUICE_WRITTEN_TIME(timeouts, first_content), overall, path, out);
  CheckWithin(SLUICE_WRITTEN_TIME(timeouts, idle), overall, path, out);
  CheckWithin(SLUICE_WRITTEN_TIME(timeouts, unary_total), overall, path, out);
}

void Check(const v1::Hedge& hedge, const std::string& path, Violations& out) {
  if (hedge.has_max_hedge_percent() && hedge.max_hedge_percent() == 0) {
    out.Add(FieldPath(path, "max_hedge_percent"), "CONFLICT",
            "0 hedges no call; allow some, or leave hedge out", "2");
  }
}

void Check(const v1::Queue& queue, const std::string& path, Violations& out) {
  CheckWithin(SLUICE_WRITTEN_TIME(queue, window), SLUICE_WRITTEN_TIME(queue, max_wait), path, out);
  if (!queue.has_max_length() || queue.max_length() > 0) return;
  const auto idle = [&](bool written, const char* field) {
    if (!written) return;
    out.Add(FieldPath(path, field), "CONFLICT",
            "has no effect, for max_length is 0 and no call waits; leave one of them out");
  };
  idle(queue.has_max_wait(), "max_wait");
  idle(queue.has_window(), "window");
  idle(queue.has_max_bytes(), "max_bytes");
}

void Check(const v1::Route& route, const std::string& path, Violations& out) {
  CheckWeights(route, path, out);
  CheckHedgeDelay(route, path, out);
  CheckWaits(route, path, out);
  CheckRateLimits(route, path, out);
}

void Check(const v1::RateLimit& limit, const std::string& path, Violations& out) {
  if (!limit.has_requests() && !limit.has_tokens()) {
    out.Add(path, "REQUIRED", "limits nothing; set requests, tokens or both");
  }
  if (limit.has_max_tenants() && limit.scope() != v1::RATE_LIMIT_SCOPE_TENANT) {
    out.Add(FieldPath(path, "max_tenants"), "CONFLICT",
            "bounds what scope TENANT remembers, and the scope is another; set scope: TENANT or leave it out");
  }
}

void Check(const v1::Fallback& fallback, const std::string& path, Violations& out) {
  if (fallback.has_target() && fallback.target().has_weight() && fallback.target().weight() == 0) {
    out.Add(FieldPath(FieldPath(path, "target"), "weight"), "CONFLICT",
            "0 takes no call, and there is no other target; leave weight out", "1");
  }
}

}  // namespace sluice
