#include "server/service/rpc.h"

#include <utility>

namespace sluice {

void Rpc::Arm() {
  // Must come before the request, or the done tag never comes.
  context_.AsyncNotifyWhenDone(&done_tag_);
  Request();
}

void Rpc::OnRequest(bool ok) {
  if (!ok) {
    // The server stops. A call that never was gets no done tag.
    delete this;
    return;
  }
  asked_at_ = std::chrono::steady_clock::now();
  face_.load().CallComing();
  auto next = Next(face_.ForNextCall());
  // First, for the loop has to wake up; from here on this may be gone.
  face_.loop().Post([this] { OnArrival(); });
  FaceLoop& face = next->face_;
  face.Arm(std::move(next));
}

void Rpc::OnArrival() {
  arrived_ = true;
  face_.load().CallArrived();
  arrived_at_ = std::chrono::steady_clock::now();
  face_.Opened(this, patient());
  if (done_) {
    gone_ = true;
  } else {
    Begin();
    if (face_.ending()) EndNow();
  }
  FreeIfOver();
}

void Rpc::WatchEnd() {
  // Whoever is done with needs no watch, and the rest comes by the done tag.
  if (done_) return;
  end_watch_.Set(face_.loop().Now() + face_.options().end_timeout, [this] { context_.TryCancel(); });
}

void* Rpc::StartOperation() {
  busy_ = true;
  face_.OperationStarted();
  return &operation_tag_;
}

void* Rpc::StartFinish() {
  finishing_ = true;
  WatchEnd();
  // For the done tag, which comes soon now: until then the call holds its slot.
  face_.OperationStarted();
  return StartOperation();
}

void Rpc::OnOperation(bool ok) {
  busy_ = false;
  face_.OperationEnded();
  OperationDone(ok);
  FreeIfOver();
}

void Rpc::OnDone(bool) {
  done_ = true;
  if (finishing_) face_.OperationEnded();
  if (!arrived_) return;  // the loop drained the queue before its inbox
  if (!finishing_) {
    gone_ = true;
    CallerGone();
  }
  FreeIfOver();
}

void Rpc::MarkDirty() {
  if (dirty_) return;
  dirty_ = true;
  face_.AtTurnEnd(this);
}

void Rpc::TurnEnd() {
  dirty_ = false;
  AtTurnEnd();
  FreeIfOver();
}

void Rpc::FreeIfOver() {
  if (!arrived_ || !done_ || busy_ || dirty_ || !Settled()) return;
  face_.Closed(this, patient());
  delete this;
}

}  // namespace sluice
