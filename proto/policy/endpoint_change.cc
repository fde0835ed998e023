#include "proto/policy/endpoint_change.h"

#include <map>
#include <set>

#include "proto/policy/forms.h"

namespace sluice {

std::string EndpointName(const v1::Endpoint& endpoint) {
  if (!endpoint.name().empty()) return endpoint.name();
  const auto url = ParseUrl(endpoint.url());
  return url.ok() ? HostPort(*url) : endpoint.url();
}

void ApplyEndpointChange(const v1::EndpointChange& change,
                         google::protobuf::RepeatedPtrField<v1::Endpoint>& endpoints) {
  const std::set<std::string> removals(change.removals().begin(), change.removals().end());
  std::map<std::string, const v1::Endpoint*> upserts;
  for (const v1::Endpoint& endpoint : change.upserts()) upserts[EndpointName(endpoint)] = &endpoint;
  google::protobuf::RepeatedPtrField<v1::Endpoint> result;
  for (v1::Endpoint& endpoint : endpoints) {
    const std::string name = EndpointName(endpoint);
    if (removals.count(name) != 0) continue;
    const auto found = upserts.find(name);
    if (found == upserts.end()) {
      result.Add()->Swap(&endpoint);
    } else {
      *result.Add() = *found->second;
      upserts.erase(found);
    }
  }
  for (const v1::Endpoint& endpoint : change.upserts()) {
    const auto found = upserts.find(EndpointName(endpoint));
    if (found != upserts.end() && found->second == &endpoint) *result.Add() = endpoint;
  }
  endpoints.Swap(&result);
}

}  // namespace sluice
