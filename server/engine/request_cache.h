// The request of a call in the wire format of each place it was sent to: built
// once a (format, model, dialect) and held once, whatever the number of attempts.
#ifndef SLUICE_SERVER_ENGINE_REQUEST_CACHE_H_
#define SLUICE_SERVER_ENGINE_REQUEST_CACHE_H_

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/engine/call_request.h"
#include "server/engine/planner.h"
#include "server/upstream/http_transport.h"

namespace sluice {

class RequestCache {
 public:
  // The request must live until Forget.
  explicit RequestCache(const CallRequest& request) : request_(request) {}

  // The model's name at the target: its own or, where it has none, the caller's.
  std::string_view ModelAt(const TargetConfig& target) const;

  // What the target's servers were seen to refuse of a request's form.
  FormParts FormAt(const TargetConfig& target) const;

  // OK if the target's format can carry the request; INVALID_ARGUMENT names
  // the field that it cannot.
  absl::Status Prepare(const TargetConfig& target);

  // Whether the request is another one where these parts are refused.
  bool Differ(const TargetConfig& target, FormParts one, FormParts other);

  // After Prepare was OK for its target: in that form, everything the transport needs, with
  // credential, the upstream's own headers (which replace others of the same
  // name) and the trace.
  HttpRequest Build(const Plan& plan, FormParts refused, std::string_view traceparent);

  // No further attempt comes: a long prompt is not kept as long as its answer.
  void Forget() { encoded_.clear(); }

 private:
  struct Encoded {
    const WireFormat* format;
    std::string model;
    const Dialect* dialect;  // the upstream's, which the call's route keeps
    FormParts refused;
    absl::Status status;
    std::string path;
    std::vector<std::pair<std::string, std::string>> headers;
    std::shared_ptr<const std::string> body;
  };

  const Encoded& Get(const TargetConfig& target, FormParts refused);

  const CallRequest& request_;
  std::list<Encoded> encoded_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_REQUEST_CACHE_H_
