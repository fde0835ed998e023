// The resources that a data plane holds from its control plane, and how an
// update changes them. Values, no I/O, no clock.
#ifndef SLUICE_SERVER_CONFIG_RESOURCE_SET_H_
#define SLUICE_SERVER_CONFIG_RESOURCE_SET_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sluice/v1/control.pb.h"

namespace sluice {

struct HeldResource {
  uint64_t version = 0;
  // Shared between a set and its successor: most of it does not change.
  std::shared_ptr<const v1::Resource> resource;
};

struct ResourceSet {
  std::string epoch;  // empty: nothing held yet
  uint64_t revision = 0;
  // By kind ("RetryPolicy") and name.
  std::map<std::pair<std::string, std::string>, HeldResource> resources;

  // False too for a control plane that never had policies.
  bool runs() const { return revision > 0 || !resources.empty(); }
  std::vector<const v1::Resource*> All() const;
  std::vector<v1::ResourceVersion> Versions() const;
  // SHA-256 over the sorted lines "RetryPolicy/default@7\n".
  std::string Sha256() const;
  // The update that makes this set out of nothing.
  v1::Update ToSnapshot() const;
};

// A set, or why there is none.
struct UpdatedSet {
  ResourceSet set;
  std::vector<v1::Violation> violations;
};

// `update` is whole: its chunks merged. All of it or nothing: violations name
// every resource that cannot be read. Refused too: a lower revision in the same epoch,
// policies of another epoch that are not said to replace those held, and a
// difference to something that is not held.
UpdatedSet ApplyUpdate(const ResourceSet& held, const v1::Update& update);

// "upstream/openai: credential: env OPENAI_API_KEY is not set here".
std::string ViolationText(const v1::Violation& violation);

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_RESOURCE_SET_H_
