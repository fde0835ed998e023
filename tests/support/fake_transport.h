// An HttpTransport that plays scripts under simulated time, and counts what was
// asked of it.
#ifndef SLUICE_TESTS_SUPPORT_FAKE_TRANSPORT_H_
#define SLUICE_TESTS_SUPPORT_FAKE_TRANSPORT_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/runtime/loop.h"
#include "server/upstream/http_transport.h"

namespace sluice {

// One thing that an exchange does, `after` the one before.
struct ExchangeStep {
  enum class Kind { kConnect, kHead, kBody, kEnd, kFail };
  Kind kind;
  Duration after;
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string text;  // body, or the failure's message
  HttpFailure failure = HttpFailure::kReset;
};

// What an exchange does; when the steps are over it stays silent.
class Script {
 public:
  Script& Connect(Duration after = absl::Milliseconds(1));
  // A pooled connection takes the request at once; instead of Connect.
  Script& Pooled();
  // With content type text/lines where no headers are given.
  Script& Head(int status, std::vector<std::pair<std::string, std::string>> headers = {{"content-type", "text/lines"}},
               Duration after = absl::Milliseconds(1));
  Script& Body(std::string text, Duration after = absl::Milliseconds(1));
  Script& End(Duration after = absl::ZeroDuration());
  Script& Fail(HttpFailure failure, std::string message = "", Duration after = absl::Milliseconds(1));

  // The usual ones.
  static Script Answer(std::string text);
  static Script Status(int status, std::string body = "",
                       std::vector<std::pair<std::string, std::string>> headers = {});
  static Script Refused() { return Script().Fail(HttpFailure::kConnect, "connection refused"); }
  static Script Silent() { return Script(); }

  std::vector<ExchangeStep> steps;
  bool sent_at_start = false;
};

class FakeTransport : public HttpTransport {
 public:
  explicit FakeTransport(Loop& loop) : loop_(loop) {}

  std::unique_ptr<HttpExchange> Start(HttpRequest request, HttpExchangeObserver* observer) override;

  struct Started {
    std::string host;
    TimePoint when;
    HttpRequest request;
  };

  // Chooses what the n-th request (from 0) meets.
  std::function<Script(const HttpRequest& request, size_t n)> script;
  std::vector<Started> started;
  int live = 0;
  int closed_early = 0;  // destroyed before their end
  int pauses = 0;
  int resumes = 0;

 private:
  Loop& loop_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_SUPPORT_FAKE_TRANSPORT_H_
