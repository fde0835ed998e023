// What the RPCs of all loops share. Lives as long as the face; thread-safe.
#ifndef SLUICE_SERVER_SERVICE_FACE_SERVICES_H_
#define SLUICE_SERVER_SERVICE_FACE_SERVICES_H_

#include "grpc/health/v1/health.grpc.pb.h"
#include "server/config/route_table_source.h"
#include "server/service/face_options.h"
#include "server/service/idempotency_store.h"
#include "server/service/load_shedder.h"
#include "sluice/v1/gateway.grpc.pb.h"

namespace sluice {

// Async methods only: one callback or default-health method would make gRPC
// add pollers of its own, which then take most reads of callers' sockets.
struct FaceServices {
  explicit FaceServices(const FaceOptions& face_options)
      : options(face_options),
        load({face_options.max_concurrent_calls, static_cast<int64_t>(face_options.max_request_memory),
              face_options.shed_at_lag, face_options.overload_retry_after}),
        idempotency(face_options.idempotency) {}

  const FaceOptions options;
  v1::Gateway::AsyncService gateway;
  grpc::health::v1::Health::AsyncService health;
  // Set before serving.
  const RouteTableSource* tables = nullptr;
  LoadShedder load;
  IdempotencyStore idempotency;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_FACE_SERVICES_H_
