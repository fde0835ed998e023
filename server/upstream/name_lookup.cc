#include "server/upstream/name_lookup.h"

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

namespace sluice {
namespace {

// One resolver that hangs must not hold up the names of others for long; a lookup
// mostly waits.
constexpr size_t kThreads = 4;
constexpr size_t kIpv4Bytes = 4, kIpv6Bytes = 16;

std::string BytesOf(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return std::string(reinterpret_cast<const char*>(&v4.sin_addr), kIpv4Bytes);
  }
  if (address.sa_family != AF_INET6) return {};
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  const std::string bytes(reinterpret_cast<const char*>(&v6.sin6_addr), kIpv6Bytes);
  return IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) ? bytes.substr(kIpv6Bytes - kIpv4Bytes) : bytes;
}

std::shared_ptr<const AddressList> AskSystem(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return nullptr;
  auto addresses = std::make_shared<AddressList>();
  for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
    if (std::string bytes = BytesOf(*info->ai_addr); !bytes.empty()) addresses->push_back(std::move(bytes));
  }
  freeaddrinfo(found);
  std::sort(addresses->begin(), addresses->end());
  if (addresses->empty()) return nullptr;
  return addresses;
}

// What the threads share. They hold it too: a lookup that hangs outlives the
// transport, rather than keep the process from its end.
struct Queue {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::string> hosts;                               // guarded by mutex
  std::map<std::string, std::vector<NameLookup::Done>> asked;  // guarded by mutex; waiting and under way
  size_t threads = 0;                                          // guarded by mutex
  size_t idle = 0;                                             // guarded by mutex
  bool closed = false;                                         // guarded by mutex
};

void Serve(const std::shared_ptr<Queue>& queue) {
  std::unique_lock lock(queue->mutex);
  while (true) {
    ++queue->idle;
    queue->changed.wait(lock, [&] { return queue->closed || !queue->hosts.empty(); });
    --queue->idle;
    if (queue->closed) return;
    const std::string host = std::move(queue->hosts.front());
    queue->hosts.pop_front();
    lock.unlock();
    const std::shared_ptr<const AddressList> addresses = AskSystem(host);
    lock.lock();
    const auto found = queue->asked.extract(host);
    if (queue->closed) return;
    lock.unlock();
    for (NameLookup::Done& done : found.mapped()) done(addresses);
    lock.lock();
  }
}

class SystemNameLookup : public NameLookup {
 public:
  ~SystemNameLookup() override {
    std::lock_guard lock(queue_->mutex);
    queue_->closed = true;
    queue_->hosts.clear();
    queue_->changed.notify_all();
  }

  void Look(const std::string& host, Done done) override {
    std::lock_guard lock(queue_->mutex);
    auto [found, first] = queue_->asked.try_emplace(host);
    found->second.push_back(std::move(done));
    if (!first) return;
    queue_->hosts.push_back(host);
    if (queue_->idle >= queue_->hosts.size() || queue_->threads == kThreads) return queue_->changed.notify_one();
    ++queue_->threads;
    std::thread thread([queue = queue_] { Serve(queue); });
    pthread_setname_np(thread.native_handle(), "sluice-names");
    thread.detach();
  }

 private:
  const std::shared_ptr<Queue> queue_ = std::make_shared<Queue>();
};

}  // namespace

std::string PeerAddress(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return BytesOf(reinterpret_cast<const sockaddr&>(address));
}

std::shared_ptr<NameLookup> MakeSystemNameLookup() { return std::make_shared<SystemNameLookup>(); }

}  // namespace sluice
