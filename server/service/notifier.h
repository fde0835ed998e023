// A notification queue and the thread that waits for it: it takes new calls and
// is gRPC's poller, for one or several loops.
#ifndef SLUICE_SERVER_SERVICE_NOTIFIER_H_
#define SLUICE_SERVER_SERVICE_NOTIFIER_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <thread>

namespace sluice {

class Notifier {
 public:
  // Begins to wait at once. Tags of the queue are CompletionTags.
  Notifier(int index, std::unique_ptr<grpc::ServerCompletionQueue> queue);
  // After Close.
  ~Notifier();

  // After the server's shutdown and every FaceLoop::StopRequests; from a thread
  // of its own. What was in the queue has run when it returns.
  void Close();

  grpc::ServerCompletionQueue* queue() { return queue_.get(); }

 private:
  void Run();

  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::thread thread_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_NOTIFIER_H_
