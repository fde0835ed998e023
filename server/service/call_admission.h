// Decides whether a call may begin, and as what: the route, the deadline, and
// what its metadata says. Once per call, on its loop.
#ifndef SLUICE_SERVER_SERVICE_CALL_ADMISSION_H_
#define SLUICE_SERVER_SERVICE_CALL_ADMISSION_H_

#include <grpcpp/server_context.h>

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

// What a caller sent beside the request.
class CallerMetadata {
 public:
  explicit CallerMetadata(const grpc::ServerContextBase& context) : context_(context) {}
  // The first value of a key; nothing if absent.
  std::optional<std::string_view> Find(std::string_view key) const;
  // The same; empty if absent.
  std::string_view Get(std::string_view key) const { return Find(key).value_or(std::string_view()); }

 private:
  const grpc::ServerContextBase& context_;
};

// 128 random bits as hex.
std::string NewCallId(Random& random);

// The caller's deadline on the loop's clock; InfiniteFuture if there is none. Not
// after `now` where less is left than gRPC knows of it.
TimePoint DeadlineOf(gpr_timespec deadline, TimePoint now);

// What a call is, whatever its method.
struct CallTraits {
  std::string_view operation;  // "chat", "embeddings"
  bool streaming = false;
};

// Fills `params` with what is known before the request was looked at: a call id,
// the caller's tenant and trace.
void Welcome(const CallTraits& traits, const CallerMetadata& metadata, Random& random, CallParams* params);

// Finds the route; or tells why the call is refused. `table` may be null.
std::optional<CallError> FindRoute(std::string_view model, const CallerMetadata& metadata, const RouteTable* table,
                                   CallParams* params);

// What binds calls to one place, where the route asks for it: the same on every
// data plane and after every start. Nothing where the caller gave nothing to go
// by.
std::optional<uint64_t> AffinityOf(const RouteConfig& route, const CallRequest& request,
                                   const CallerMetadata& metadata);

// The caller's idempotency key, or what is wrong with it.
std::optional<CallError> CheckIdempotencyKey(std::string_view key);
// What the key stands for to us: its tenant and method are a part of it.
std::string ScopedKey(std::string_view tenant, std::string_view method, std::string_view key);
CallError KeyReused(std::string_view key);
CallError AnswerNotKept(std::string_view key, size_t max_bytes);

// The models of exact routes that this caller's metadata matches, each with
// the route that would serve it.
v1::ListModelsResponse ModelsFor(const CallerMetadata& metadata, const RouteTable& table);

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_CALL_ADMISSION_H_
