// Small valid policies and places to keep a store, for the control plane's tests.
#ifndef SLUICE_TESTS_CONTROLPLANE_POLICIES_H_
#define SLUICE_TESTS_CONTROLPLANE_POLICIES_H_

#include <string>
#include <vector>

#include "sluice/v1/policy.pb.h"

namespace sluice {

// One endpoint named "primary".
v1::Resource MakeUpstream(const std::string& name, const std::string& url = "http://127.0.0.1:1/v1");
// Model = its name.
v1::Resource MakeRoute(const std::string& name, const std::string& upstream);
v1::Resource MakeRetryPolicy(const std::string& name, int max_attempts);
// Endpoints "e0" … of 127.0.0.1.
v1::Resource MakeEndpointList(const std::string& name, int endpoints);

// A folder of its own, removed at the end.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_CONTROLPLANE_POLICIES_H_
