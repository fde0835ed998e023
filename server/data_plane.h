// The whole data plane, wired: loops, transports, the engine, the gRPC face,
// the configuration and the metrics. Used by main, from one thread.
#ifndef SLUICE_SERVER_DATA_PLANE_H_
#define SLUICE_SERVER_DATA_PLANE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proto/log/line_writer.h"
#include "server/options.h"

namespace sluice {

class DataPlane {
 public:
  // Calls are logged to `log`, which lives longer.
  DataPlane(ServerOptions options, LineWriter& log);
  // Stops.
  ~DataPlane();

  // Serves when it returns OK. An error may have several lines, one for each
  // thing that is wrong with the policies.
  absl::Status Start();
  // "127.0.0.1:8443", with the port that was taken.
  std::string address() const;
  std::string metrics_address() const;

  // Reads certificates, policies and secrets again.
  void Reload();
  // Health says that this data plane is not to get new calls; it serves on.
  void StopServing();
  // Lets running calls end (FaceOptions::drain_timeout), then stops all.
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_DATA_PLANE_H_
