#include "controlplane/telemetry/metrics_server.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

namespace sluice {
namespace {

// Connects, and leaves again. (Any-address means this machine here.)
void Knock(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const char* name = host.empty() ? nullptr : host.c_str();
  if (getaddrinfo(name, std::to_string(port).c_str(), &hints, &found) != 0) return;
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd >= 0) {
    // Whether it succeeds does not matter.
    (void)!connect(fd, found->ai_addr, found->ai_addrlen);
    close(fd);
  }
  freeaddrinfo(found);
}

}  // namespace

ControlPlaneMetricsServer::ControlPlaneMetricsServer(const std::string& address, std::string host)
    : exposer_(std::make_unique<prometheus::Exposer>(address)),
      host_(std::move(host)),
      port_(exposer_->GetListeningPorts().front()) {}

// The server underneath looks every two seconds whether it is to end, or when
// somebody calls: a program's end need not wait for that. The data plane's
// metrics server does the same; the two planes share only proto/, and these few
// lines are no reason to change that.
ControlPlaneMetricsServer::~ControlPlaneMetricsServer() {
  std::atomic<bool> ended{false};
  std::thread knocker([this, &ended] {
    while (!ended) {
      Knock(host_, port_);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  });
  exposer_.reset();
  ended = true;
  knocker.join();
}

void ControlPlaneMetricsServer::Register(const std::shared_ptr<prometheus::Collectable>& collectable) {
  exposer_->RegisterCollectable(collectable);
}

}  // namespace sluice
