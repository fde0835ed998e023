// The C++ client of a Sluice gateway: connect, stream a chat, cancel it, and
// know for certain whether the answer is whole.
//
//   auto client = sluice::Client::Connect({.address = "localhost:8443"});
//   sluice::v1::ChatRequest request;
//   request.set_model("chat");
//   request.add_messages()->set_text("Why is the sky blue?");
//   request.mutable_messages(0)->set_role(sluice::v1::ROLE_USER);
//   sluice::Collector answer;
//   sluice::CallResult result = client->StreamChat(request, {}, [&](const auto& event) {
//     std::cout << event.content().text() << std::flush;
//     answer.Add(event);
//   });
//   if (!result.complete()) std::cerr << result.failure.ToString();
#ifndef SLUICE_CLIENT_SLUICE_CLIENT_H_
#define SLUICE_CLIENT_SLUICE_CLIENT_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/call_failure.h"
#include "client/collector.h"
#include "sluice/v1/gateway.grpc.pb.h"

namespace sluice {

struct ClientOptions {
  // "host:port". No proxy of the environment is used: a gateway is near.
  std::string address = "127.0.0.1:8443";
  bool tls = false;
  // A PEM file with the authorities to trust; implies tls. Empty with tls: the
  // system's.
  std::string tls_ca_file = {};
  // PEM files, both or none: shown where the gateway asks for a certificate.
  std::string tls_cert_file = {};
  std::string tls_key_file = {};
  // The largest message accepted. Streams send at most about 64 KiB; unary
  // answers can be larger, and gRPC's own default is 4 MiB.
  int max_message_bytes = 16 << 20;
};

// Stops the calls that were given it. Set() is safe on any thread and in a
// signal handler; the call sees it within 20 ms and the gateway closes the
// upstream.
class CancelFlag {
 public:
  void Set() { set_.store(true, std::memory_order_relaxed); }
  void Clear() { set_.store(false, std::memory_order_relaxed); }
  bool is_set() const { return set_.load(std::memory_order_relaxed); }

 private:
  static_assert(std::atomic<bool>::is_always_lock_free, "signal handlers need it");
  std::atomic<bool> set_{false};
};

struct CallOptions {
  // For the whole call, retries included. The route's own limit is in force
  // where it is shorter. InfiniteDuration: only the route's.
  absl::Duration deadline = absl::Seconds(60);
  // Not owned; outlives the call. Null: the call is not cancelled.
  const CancelFlag* cancel = nullptr;
  // "authorization" ("Bearer …"), "idempotency-key" (makes it safe to send the call again), "sluice-tenant",
  // "sluice-route", "traceparent"; keys lower-case.
  std::vector<std::pair<std::string, std::string>> metadata = {};
};

// How a call ended.
struct CallResult {
  // OK only if the status was OK *and* the end record came and says COMPLETE
  // or FALLBACK. A stream without `end` is DATA_LOSS, reason NO_END.
  CallFailure failure;
  // Set where it came; always with complete().
  std::optional<v1::End> end;
  // Names the call in the gateway's logs.
  std::string call_id;

  bool complete() const { return failure.ok(); }
};

// Any number of calls on any threads at a time.
class Client {
 public:
  // Does not wait for the network. INVALID_ARGUMENT: no "host:port", or one of
  // certificate and key without the other; NOT_FOUND: a file cannot be read.
  static absl::StatusOr<Client> Connect(const ClientOptions& options);

  // Blocks until the stream has ended. `on_event` is called on this thread,
  // in order, and must not throw; while it runs nothing is read, so a slow one
  // slows the upstream and memory stays bounded.
  CallResult StreamChat(const v1::ChatRequest& request, const CallOptions& options,
                        absl::FunctionRef<void(const v1::ChatEvent&)> on_event) const;

  // The whole answer at once.
  CallResult Chat(const v1::ChatRequest& request, const CallOptions& options, v1::ChatResponse* response) const;

  // One vector for each input, in order, once complete().
  CallResult Embed(const v1::EmbedRequest& request, const CallOptions& options, v1::EmbedResponse* response) const;

  CallFailure ListModels(const CallOptions& options, v1::ListModelsResponse* response) const;

 private:
  explicit Client(std::unique_ptr<v1::Gateway::Stub> stub) : stub_(std::move(stub)) {}

  std::shared_ptr<v1::Gateway::Stub> stub_;
};

}  // namespace sluice

#endif  // SLUICE_CLIENT_SLUICE_CLIENT_H_
