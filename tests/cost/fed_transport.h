// An HttpTransport without sockets: what the upstream answers is fed in as the
// bytes of HTTP/1.1, and goes through the production parser. One thread.
#ifndef SLUICE_TESTS_COST_FED_TRANSPORT_H_
#define SLUICE_TESTS_COST_FED_TRANSPORT_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "server/upstream/http_transport.h"
#include "server/upstream/response_parser.h"

namespace sluice::cost {

class FedExchange;

class FedTransport : public HttpTransport {
 public:
  std::unique_ptr<HttpExchange> Start(HttpRequest request, HttpExchangeObserver* observer) override;

  // The exchange that was started last, if it is still there.
  FedExchange* exchange() { return exchange_; }
  size_t started() const { return started_; }
  // Bytes that would have gone to the upstream.
  size_t sent_bytes() const { return sent_bytes_; }

 private:
  friend class FedExchange;
  FedExchange* exchange_ = nullptr;
  size_t started_ = 0;
  size_t sent_bytes_ = 0;
  std::string unparsed_;  // of exchange_
};

class FedExchange : public HttpExchange {
 public:
  FedExchange(FedTransport& transport, HttpExchangeObserver* observer);
  ~FedExchange() override;
  void Pause() override {}
  void Resume() override {}

  void Connect() { observer_->OnConnected(true); }
  // What one read would give. The observer may destroy this.
  void Feed(std::string_view bytes);

 private:
  FedTransport& transport_;
  HttpExchangeObserver* const observer_;
  ResponseParser parser_;
};

}  // namespace sluice::cost

#endif  // SLUICE_TESTS_COST_FED_TRANSPORT_H_
