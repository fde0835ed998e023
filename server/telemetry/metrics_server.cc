#include "server/telemetry/metrics_server.h"

#include <prometheus/exposer.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

bool IsListenAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  int port = 0;
  return colon != std::string::npos && colon > 0 && absl::SimpleAtoi(address.substr(colon + 1), &port) && port >= 0 &&
         port <= 65535 && address.find_first_of(", +") == std::string::npos;
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(const std::string& address, int threads) {
  // The server underneath would read "8080s" or "80,81" in ways of its own.
  if (!IsListenAddress(address)) {
    return absl::InvalidArgumentError(
        absl::StrCat("metrics address \"", address, "\" is not host:port (like 127.0.0.1:9464)"));
  }
  try {
    auto exposer = std::make_unique<prometheus::Exposer>(address, static_cast<size_t>(std::max(1, threads)));
    const auto ports = exposer->GetListeningPorts();
    if (ports.empty()) return absl::UnavailableError(absl::StrCat("cannot listen on ", address, " for metrics"));
    const int port = ports.front();
    return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(exposer), port));
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", address,
                                               " for metrics: is it in use, or not an address of this machine? (",
                                               error.what(), ")"));
  }
}

MetricsServer::MetricsServer(std::unique_ptr<prometheus::Exposer> exposer, int port)
    : exposer_(std::move(exposer)), port_(port) {}

MetricsServer::~MetricsServer() = default;

void MetricsServer::Register(std::shared_ptr<prometheus::Collectable> collectable) {
  exposer_->RegisterCollectable(collectable);
  collectables_.push_back(std::move(collectable));
}

}  // namespace sluice
