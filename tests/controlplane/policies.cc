#include "tests/controlplane/policies.h"

#include <cstdlib>
#include <filesystem>

namespace sluice {

v1::Resource MakeUpstream(const std::string& name, const std::string& url) {
  v1::Resource resource;
  resource.mutable_meta()->set_name(name);
  resource.mutable_upstream()->set_format(v1::WIRE_FORMAT_OPENAI);
  v1::Endpoint& endpoint = *resource.mutable_upstream()->add_endpoints();
  endpoint.set_name("primary");
  endpoint.set_url(url);
  return resource;
}

v1::Resource MakeRoute(const std::string& name, const std::string& upstream) {
  v1::Resource resource;
  resource.mutable_meta()->set_name(name);
  resource.mutable_route()->mutable_match()->set_model(name);
  resource.mutable_route()->add_targets()->set_upstream(upstream);
  return resource;
}

v1::Resource MakeRetryPolicy(const std::string& name, int max_attempts) {
  v1::Resource resource;
  resource.mutable_meta()->set_name(name);
  resource.mutable_retry_policy()->set_max_attempts(max_attempts);
  return resource;
}

v1::Resource MakeEndpointList(const std::string& name, int endpoints) {
  v1::Resource resource;
  resource.mutable_meta()->set_name(name);
  for (int i = 0; i < endpoints; ++i) {
    v1::Endpoint& endpoint = *resource.mutable_endpoint_list()->add_endpoints();
    endpoint.set_name("e" + std::to_string(i));
    endpoint.set_url("http://127.0.0.1:" + std::to_string(1 + i) + "/v1");
  }
  return resource;
}

TempFolder::TempFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "sluice-test-XXXXXX").string();
  path_ = mkdtemp(pattern.data());
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace sluice
