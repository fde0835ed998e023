#include "server/upstream/host_watch.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <utility>

#include "server/upstream/connect_error.h"

namespace sluice {
namespace {

// Whom the sockets are connected to: the proxy, where there is one.
std::string HostOf(const HttpEndpoint& endpoint) {
  if (endpoint.proxy.empty()) return endpoint.host;
  const std::string address = ProxyAddress(endpoint.proxy);
  if (!address.empty() && address.front() == '[') return address.substr(1, address.find(']') - 1);
  return address.substr(0, address.rfind(':'));
}

bool IsAddress(const std::string& host) {
  in6_addr bytes;
  return inet_pton(AF_INET, host.c_str(), &bytes) == 1 || inet_pton(AF_INET6, host.c_str(), &bytes) == 1;
}

std::string NameOf(const HttpEndpoint& endpoint) {
  std::string host = HostOf(endpoint);
  return IsAddress(host) ? std::string() : host;
}

}  // namespace

HostWatch::HostWatch(Loop& loop, const HttpEndpoint& endpoint, Ask ask)
    : loop_(loop),
      host_(NameOf(endpoint)),
      interval_(endpoint.pool.resolve_every),
      ask_(std::move(ask)),
      timer_(loop) {}

void HostWatch::Begin() {
  if (host_.empty() || timer_.is_set()) return;
  timer_.Set(loop_.Now() + interval_, [this] { LookUp(); });
}

void HostWatch::SetInterval(Duration interval) {
  if (interval == std::exchange(interval_, interval) || !timer_.is_set()) return;
  timer_.Cancel();
  Begin();
}

void HostWatch::LookUp() {
  Begin();
  // One that hangs is enough.
  if (std::exchange(asking_, true)) return;
  ask_(host_, loop_.Now());
}

bool HostWatch::OnAnswer(TimePoint asked, std::shared_ptr<const AddressList> addresses) {
  asking_ = false;
  if (addresses == nullptr) return false;
  const bool changed = addresses_ != nullptr && *addresses_ != *addresses;
  addresses_ = std::move(addresses);
  answered_ = asked;
  if (changed) Moved();
  return true;
}

bool HostWatch::gone(Connection& connection) const {
  // What was made later is at least as new as the answer. (A name may have more
  // addresses than one answer tells.)
  if (addresses_ == nullptr || connection.seen() >= answered_) return false;
  if (!std::binary_search(addresses_->begin(), addresses_->end(), connection.peer())) return true;
  connection.set_seen(answered_);
  return false;
}

}  // namespace sluice
