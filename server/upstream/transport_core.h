// What the exchanges of one transport share. Loop thread only.
#ifndef SLUICE_SERVER_UPSTREAM_TRANSPORT_CORE_H_
#define SLUICE_SERVER_UPSTREAM_TRANSPORT_CORE_H_

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "server/runtime/loop.h"
#include "server/upstream/connector.h"
#include "server/upstream/pool.h"
#include "server/upstream/shared_pool.h"
#include "server/upstream/transport_options.h"

namespace sluice {

class Exchange;

class TransportCore {
 public:
  TransportCore(IoLoop& loop, const TransportOptions& options, std::shared_ptr<PoolRegistry> registry);
  // The exchanges that are left go silent.
  ~TransportCore();

  // The endpoint's pool, with the endpoint's limits.
  std::shared_ptr<Pool> FindPool(const HttpEndpoint& endpoint, bool create);

  IoLoop& loop;
  const TransportOptions options;
  Connector connector;
  const std::shared_ptr<PoolRegistry> registry;
  // All receive into it in turn, so that an open stream holds no buffer. In front
  // of it there is room for what the last read left, a chunk's line end mostly.
  static constexpr size_t kLeftRoom = 256;
  char* receive_buffer() { return scratch_.get() + kLeftRoom; }
  absl::flat_hash_set<Exchange*> exchanges;

  // The map changes under the mutex, and is read under it by other threads.
  std::mutex mutex;
  absl::flat_hash_map<std::string, std::shared_ptr<Pool>> pools;

 private:
  void ForgetUnused();

  const std::unique_ptr<char[]> scratch_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_TRANSPORT_CORE_H_
