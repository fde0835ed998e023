// One RPC of any method, from the request for it to its last tag: who may free
// it, and when. A method derives from it and says what it does.
//
// It frees itself when it has arrived on its loop, gRPC said that it is done,
// no operation is outstanding, it waits for no end of turn, and the method says
// that it is Settled.
#ifndef SLUICE_SERVER_SERVICE_RPC_H_
#define SLUICE_SERVER_SERVICE_RPC_H_

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>

#include "server/runtime/completion_tag.h"
#include "server/service/face_loop.h"

namespace sluice {

// A tag that calls a member function.
template <typename T>
class MemberTag : public CompletionTag {
 public:
  using Member = void (T::*)(bool ok);
  MemberTag(T* owner, Member member) : owner_(owner), member_(member) {}
  void Complete(bool ok) override { (owner_->*member_)(ok); }

 private:
  T* owner_;
  Member member_;
};

// Loop thread, but for Arm and the arrival.
class Rpc {
 public:
  virtual ~Rpc() = default;
  Rpc(const Rpc&) = delete;
  Rpc& operator=(const Rpc&) = delete;

  // Any thread, once, by FaceLoop::Arm: asks gRPC for a call. From then on it owns
  // itself.
  void Arm();
  // For FaceLoop: the turn in which MarkDirty was called ends.
  void TurnEnd();
  // For FaceLoop: the server waits no longer.
  virtual void EndNow() {}

 protected:
  explicit Rpc(FaceLoop& face) : face_(face), end_watch_(face.loop()) {}

  // Any thread: asks for a call of the method, with request_tag().
  virtual void Request() = 0;
  // Whoever polls (Notifier): the same once more, for the next call. `face` is the
  // loop for it, where any will do.
  virtual std::unique_ptr<Rpc> Next(FaceLoop& face) = 0;

  // The request is here and its caller too.
  virtual void Begin() = 0;
  // The operation of StartOperation is over. `ok` false: the caller is gone,
  // and CallerGone follows.
  virtual void OperationDone(bool ok) {}
  // The caller went away before the RPC was finished; nothing may be written
  // any more. Comes once.
  virtual void CallerGone() {}
  virtual void AtTurnEnd() {}
  // Nothing of the method's own is under way.
  virtual bool Settled() const { return true; }
  // Its cancellation may be seen late (FaceLoop::Opened).
  virtual bool patient() const { return false; }

  // Only the end is left to hand over: from now on the caller must take
  // something every end_timeout. StartFinish says so too.
  void WatchEnd();
  // At most one operation is outstanding.
  void* StartOperation();
  // The last operation: it carries the status.
  void* StartFinish();
  void MarkDirty();

  void* request_tag() { return &request_tag_; }
  FaceLoop& face() { return face_; }
  grpc::ServerContext& context() { return context_; }
  bool busy() const { return busy_; }
  bool finishing() const { return finishing_; }
  bool gone() const { return gone_; }
  // How long the request waited for its loop.
  Duration waited() const { return absl::FromChrono(arrived_at_ - asked_at_); }

 private:
  void OnRequest(bool ok);
  void OnArrival();
  void OnOperation(bool ok);
  void OnDone(bool ok);
  void FreeIfOver();

  FaceLoop& face_;
  grpc::ServerContext context_;
  MemberTag<Rpc> request_tag_{this, &Rpc::OnRequest};
  MemberTag<Rpc> operation_tag_{this, &Rpc::OnOperation};
  MemberTag<Rpc> done_tag_{this, &Rpc::OnDone};
  Timer end_watch_;
  std::chrono::steady_clock::time_point asked_at_;
  std::chrono::steady_clock::time_point arrived_at_;
  bool arrived_ = false;
  bool done_ = false;
  bool gone_ = false;
  bool busy_ = false;
  bool finishing_ = false;
  bool dirty_ = false;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_RPC_H_
