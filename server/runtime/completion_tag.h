// What is put as a tag into a gRPC completion queue; free of gRPC so that
// everybody may be one.
#ifndef SLUICE_SERVER_RUNTIME_COMPLETION_TAG_H_
#define SLUICE_SERVER_RUNTIME_COMPLETION_TAG_H_

namespace sluice {

class CompletionTag {
 public:
  virtual ~CompletionTag() = default;
  // Runs on the thread that drains the queue; must not block. `ok` as in
  // grpc::CompletionQueue::Next. May destroy itself.
  virtual void Complete(bool ok) = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RUNTIME_COMPLETION_TAG_H_
