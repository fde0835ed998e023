// The names that labels of metrics may have by the policies in force: a series
// of another name is of something that was deleted. Pure.
#ifndef SLUICE_SERVER_TELEMETRY_POLICY_NAMES_H_
#define SLUICE_SERVER_TELEMETRY_POLICY_NAMES_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "server/engine/route_table.h"

namespace sluice {

struct PolicyNames {
  using LabelViews = std::vector<std::pair<std::string_view, std::string_view>>;

  // Whether all that a series is about is in force. Labels that name no policy
  // are, and so are empty values and "other".
  bool InForce(const LabelViews& labels) const;

  absl::flat_hash_set<std::string> routes;
  absl::flat_hash_set<std::string> upstreams;
  absl::flat_hash_set<std::pair<std::string, std::string>> endpoints;  // with their upstream
  absl::flat_hash_set<std::string> origins;                            // "https://api.openai.com:443"
  absl::flat_hash_set<std::string> fallbacks;
  absl::flat_hash_set<std::string> models;            // that routes match
  absl::flat_hash_set<std::string> answering_models;  // that targets name

 private:
  bool Has(std::string_view label, std::string_view value) const;
};

PolicyNames NamesOf(const RouteTable& table);

}  // namespace sluice

#endif  // SLUICE_SERVER_TELEMETRY_POLICY_NAMES_H_
