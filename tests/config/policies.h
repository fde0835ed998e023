// Policies for tests, written as operators write them.
#ifndef SLUICE_TESTS_CONFIG_POLICIES_H_
#define SLUICE_TESTS_CONFIG_POLICIES_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "proto/policy/kinds.h"
#include "proto/policy/yaml_loader.h"
#include "server/config/resource_set.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

inline constexpr char kTwoEndpoints[] = R"(
kind: Upstream
name: openai
format: OPENAI
credential: env:CONFIG_TEST_API_KEY
endpoints:
- url: https://api.openai.com/v1
- {url: "http://[::1]:8080/v1/", name: backup, priority: 1, weight: 3, state: draining}
---
kind: Route
name: chat
match: {model: chat}
targets: [{upstream: openai, model: gpt-4o-mini}]
)";

inline std::vector<v1::Resource> Parse(const std::string& yaml) {
  LoadResult loaded = LoadPolicyText(yaml, "test.yaml");
  for (const PolicyError& error : loaded.errors) ADD_FAILURE() << error.ToString();
  std::vector<v1::Resource> resources;
  for (LoadedResource& each : loaded.resources) resources.push_back(std::move(each.resource));
  return resources;
}

// One chunk with everything in the text.
inline v1::Update MakeUpdate(const std::string& yaml, uint64_t revision, bool snapshot = true) {
  v1::Update update;
  update.set_epoch("epoch-1");
  update.set_revision(revision);
  update.set_nonce("n" + std::to_string(revision));
  update.set_snapshot(snapshot);
  update.set_last_chunk(true);
  for (const v1::Resource& resource : Parse(yaml)) {
    v1::ResourceUpsert* upsert = update.add_upserts();
    upsert->set_kind(std::string(KindOf(resource)));
    upsert->set_name(resource.meta().name());
    upsert->set_version(revision);
    upsert->set_spec(SpecOf(resource).SerializeAsString());
  }
  return update;
}

}  // namespace sluice

#endif  // SLUICE_TESTS_CONFIG_POLICIES_H_
