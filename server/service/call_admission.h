// Decides whether a call may begin, and as what: the request check, the route,
// the deadline, and what its metadata says. Once per call, on its loop.
#ifndef SLUICE_SERVER_SERVICE_CALL_ADMISSION_H_
#define SLUICE_SERVER_SERVICE_CALL_ADMISSION_H_

#include <grpcpp/server_context.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/engine/call.h"
#include "server/engine/route_table.h"
#include "server/resilience/random.h"
#include "server/resilience/time.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

// Counts the calls of all loops against one bound. Thread-safe.
class CallSlots {
 public:
  explicit CallSlots(int64_t max) : max_(max) {}
  bool TryTake();
  void GiveBack() { used_.fetch_sub(1, std::memory_order_relaxed); }
  int64_t used() const { return used_.load(std::memory_order_relaxed); }
  int64_t max() const { return max_; }

 private:
  const int64_t max_;
  std::atomic<int64_t> used_{0};
};

// What a caller sent beside the request.
class CallerMetadata {
 public:
  explicit CallerMetadata(const grpc::ServerContextBase& context) : context_(context) {}
  // The first value of a key; empty if absent.
  std::string_view Get(std::string_view key) const;

 private:
  const grpc::ServerContextBase& context_;
};

// 128 random bits as hex.
std::string NewCallId(Random& random);

// The caller's deadline on the loop's clock; InfiniteFuture if there is none.
TimePoint DeadlineOf(gpr_timespec deadline, TimePoint now);

// Fills `params` but for request; or tells why the call is refused, with
// params->info filled as far as known. `table` may be null.
std::optional<CallError> Admit(const v1::ChatRequest& request, const CallerMetadata& metadata, const RouteTable* table,
                               Random& random, CallParams* params);

// Too many calls at a time.
CallError Overloaded(int64_t max, Duration retry_after);

// The models of exact routes that this caller's metadata matches, each with
// the route that would serve it.
v1::ListModelsResponse ModelsFor(const CallerMetadata& metadata, const RouteTable& table);

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_CALL_ADMISSION_H_
