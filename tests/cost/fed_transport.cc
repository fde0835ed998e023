#include "tests/cost/fed_transport.h"

#include <cstdlib>
#include <iostream>
#include <string>

#include "server/upstream/request_head.h"

namespace sluice::cost {
namespace {

constexpr size_t kMaxHeadBytes = 64 << 10;

[[noreturn]] void Die(const std::string& what) {
  std::cerr << "cost_engine: " << what << "\n";
  std::exit(1);
}

}  // namespace

std::unique_ptr<HttpExchange> FedTransport::Start(HttpRequest request, HttpExchangeObserver* observer) {
  if (std::string error = FindRequestError(request); !error.empty()) Die(error);
  sent_bytes_ += SerialiseRequestHead(request).size() + request.body->size();
  ++started_;
  unparsed_.clear();
  return std::make_unique<FedExchange>(*this, observer);
}

FedExchange::FedExchange(FedTransport& transport, HttpExchangeObserver* observer)
    : transport_(transport), observer_(observer), parser_(kMaxHeadBytes, false) {
  transport_.exchange_ = this;
}

FedExchange::~FedExchange() {
  if (transport_.exchange_ == this) transport_.exchange_ = nullptr;
}

// As Exchange::Parse does, less what has to do with the connection.
void FedExchange::Feed(std::string_view bytes) {
  using Event = ResponseParser::Event;
  // The observer may destroy this.
  FedTransport& transport = transport_;
  std::string_view input = transport.unparsed_.append(bytes);
  while (transport.exchange() == this) {
    switch (parser_.Next(input)) {
      case Event::kNeedMore:
        transport.unparsed_.erase(0, transport.unparsed_.size() - input.size());
        return;
      case Event::kHead:
        observer_->OnHead(parser_.head());
        break;
      case Event::kBody:
        observer_->OnBody(parser_.body());
        break;
      case Event::kEnd:
        return observer_->OnEnd();
      case Event::kError:
        Die(parser_.error());
    }
  }
}

}  // namespace sluice::cost
