// One request that asks an endpoint for its health. On the checker's loop.
#ifndef SLUICE_SERVER_HEALTH_HEALTH_PROBE_H_
#define SLUICE_SERVER_HEALTH_HEALTH_PROBE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "server/runtime/loop.h"
#include "server/upstream/http_transport.h"

namespace sluice {

class HealthProbe final : public HttpExchangeObserver {
 public:
  // A list of models may be long. More than this is not read: its status said
  // what there was to say.
  static constexpr size_t kMaxBody = 256 << 10;

  enum class Verdict {
    kPassed,   // a whole 2xx answer
    kFailed,
    kNoRoom,   // our own pool is full: says nothing of the endpoint
  };
  struct Result {
    Verdict verdict;
    std::string reason;  // of a failure, for people
  };
  // Called once; may destroy the probe.
  using Done = absl::AnyInvocable<void(const Result&)>;

  HealthProbe(Loop& loop, Done done) : loop_(loop), done_(std::move(done)), timeout_(loop) {}

  // `timeout` covers everything, from connecting to the answer's end.
  void Start(HttpTransport& transport, HttpRequest request, Duration timeout);

  void OnConnected(bool) override {}
  void OnHead(const HttpHead& head) override { status_ = head.status(); }
  void OnBody(std::string_view bytes) override;
  void OnEnd() override { Judge(); }
  void OnFailure(HttpFailure failure, std::string_view message) override;

 private:
  void Judge();
  // Last: nothing of the probe is touched after it.
  void Finish(Verdict verdict, std::string reason);

  Loop& loop_;
  Done done_;
  int status_ = 0;
  size_t body_bytes_ = 0;
  Timer timeout_;
  // Last: destroyed first, for it knows this observer.
  std::unique_ptr<HttpExchange> exchange_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_HEALTH_HEALTH_PROBE_H_
