// One loop with all that lives on it: its thread, its upstream transport, and
// what the engine's calls share. Made, started and stopped by the data plane.
#ifndef SLUICE_SERVER_LOOP_ROOM_H_
#define SLUICE_SERVER_LOOP_ROOM_H_

#include <memory>
#include <thread>

#include "server/config/route_table_source.h"
#include "server/engine/call.h"
#include "server/health/health_checker.h"
#include "server/resilience/random.h"
#include "server/runtime/epoll_loop.h"
#include "server/service/face_loop.h"
#include "server/upstream/pooled_transport.h"

namespace sluice {

class LoopRoom {
 public:
  // `pools` counts the connections of all rooms together.
  LoopRoom(int index, uint64_t seed, CallObserver& observer, std::shared_ptr<PoolRegistry> pools);
  // Stops.
  ~LoopRoom();

  void Start();
  // After the face closed: no call is left.
  void Stop();

  FaceLoopParams FaceParams();
  // Any thread, once: pools follow each new revision's limits and endpoints
  // that are switched off.
  void FollowRevisions(const RouteTableSource& tables);
  // Before FollowRevisions, for one room of the process: its loop asks endpoints
  // for their health.
  void CheckHealth(const HealthOptions& options);
  std::vector<PoolStats> ConnectionStats() const { return transport_.Stats(); }

 private:
  void LookAtRevision(const RouteTableSource& tables);

  const int index_;
  CallObserver& observer_;
  EpollLoop loop_;
  PooledHttpTransport transport_;
  Random random_;
  EngineContext context_;
  std::shared_ptr<const RouteTable> adopted_;
  Timer revision_timer_;
  std::unique_ptr<HealthChecker> health_;  // of one room only
  std::thread thread_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_LOOP_ROOM_H_
