#include "server/service/send_callers_away.h"

#include <grpcpp/alarm.h>

#include <chrono>
#include <future>

// The two steps of grpc_core::Server::ShutdownAndNotify that come after it began to
// refuse calls. The library exports them, but no header that is installed declares
// them: by name, so that one without them links and runs all the same.
extern "C" {
void SluiceStopListening(grpc_server* server) __asm__("_ZN9grpc_core6Server13StopListeningEv") __attribute__((weak));
void SluiceSendGoaways(grpc_server* server) __asm__("_ZN9grpc_core6Server11SendGoawaysEv") __attribute__((weak));
}

namespace sluice {

bool SendCallersAway(grpc::Server& server) {
  if (SluiceStopListening == nullptr || SluiceSendGoaways == nullptr) return false;
  std::promise<void> done;
  // They need the context that gRPC sets up for whatever it runs, an alarm's callback
  // among them; a thread of ours has none.
  grpc::Alarm alarm;
  alarm.Set(std::chrono::system_clock::now(), [&](bool) {
    // A grpc_server* is a grpc_core::Server* (CppImplOf::FromC).
    SluiceStopListening(server.c_server());
    SluiceSendGoaways(server.c_server());
    done.set_value();
  });
  done.get_future().wait();
  return true;
}

}  // namespace sluice
