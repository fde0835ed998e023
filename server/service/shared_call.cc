#include "server/service/shared_call.h"

#include <algorithm>
#include <utility>

#include "server/service/idempotency_store.h"

namespace sluice {
namespace {

// What is worth being told once more. What failed before anything was shown is
// run anew.
bool WorthKeeping(const CallRecord& record) {
  return record.outcome == CallOutcome::kComplete || record.outcome == CallOutcome::kFallback ||
         record.outcome == CallOutcome::kTruncated;
}

}  // namespace

SharedCall::SharedCall(Loop& loop, IdempotencyStore& store, Traits traits)
    : loop_(loop), store_(store), traits_(std::move(traits)) {}

void SharedCall::Run(const Maker& make, CallParams params) {
  call_ = make(std::move(params), *this);
  call_->Start();
}

void SharedCall::Started(std::string_view served_by, std::string_view model) {
  Append(CallStep::Started(served_by, model));
}

void SharedCall::Write(const StreamEvent& event) { Append(CallStep::Written(event)); }

void SharedCall::Restart() { Append(CallStep::Restarted()); }

void SharedCall::Discard() {
  size_t dropped = 0;
  {
    std::lock_guard lock(mutex_);
    dropped = log_.bytes();
    // A reader that is behind goes on with the word that all is void.
    log_.Clear();
  }
  store_.Shrink(this, dropped);
  Append(CallStep::Discarded());
}

void SharedCall::Finish(const CallRecord& record) {
  // Once the end is in the log, the last reader may leave on another thread, and
  // nobody else need hold this.
  auto self = shared_from_this();
  const bool keep = WorthKeeping(record);
  bool left;
  {
    std::lock_guard lock(mutex_);
    left = left_;
    joinable_ = joinable_ && keep;
  }
  Append(CallStep::Finished(record));
  if (!left) store_.Ended(this, keep, loop_.Now());
  // The engine's call must not be destroyed from within.
  loop_.Post([self = std::move(self)] { self->call_.reset(); });
}

void SharedCall::Append(CallStep step) {
  const size_t bytes = step.bytes();
  bool kept;
  {
    std::lock_guard lock(mutex_);
    // With the last step: who has read that leaves a call that is over.
    ended_ = ended_ || step.is_finish();
    if (left_) return;
    log_.Add(std::move(step));
    kept = kept_;
    if (!kept) pending_.store(log_.bytes(), std::memory_order_relaxed);
    WakeReaders();
  }
  if (kept && !store_.Grow(this, bytes)) StopKeeping();
}

void SharedCall::StopKeeping() {
  std::lock_guard lock(mutex_);
  kept_ = joinable_ = false;
  Trim();
}

bool SharedCall::Trim() {
  if (kept_) return false;
  uint64_t slowest = log_.end();
  for (const LogReader* reader : readers_) slowest = std::min(slowest, reader->position);
  log_.TrimTo(slowest);
  const size_t half = traits_.max_pending_bytes / 2;
  const size_t before = pending_.exchange(log_.bytes(), std::memory_order_relaxed);
  return before > half && log_.bytes() <= half && !ended_;
}

void SharedCall::WakeReaders() {
  for (LogReader* reader : readers_) {
    if (!std::exchange(reader->waits, false)) continue;
    reader->loop->Post([alive = reader->alive, wake = reader->wake] {
      if (alive.lock()) wake();
    });
  }
}

bool SharedCall::Attach(LogReader* reader) {
  std::lock_guard lock(mutex_);
  if (!joinable_) return false;
  reader->position = log_.begin();
  reader->waits = false;
  readers_.push_back(reader);
  return true;
}

bool SharedCall::ended() const {
  std::lock_guard lock(mutex_);
  return ended_;
}

std::optional<CallStep> SharedCall::Next(LogReader* reader) {
  std::optional<CallStep> step;
  bool room = false;
  {
    std::lock_guard lock(mutex_);
    reader->position = std::max(reader->position, log_.begin());
    if (reader->position == log_.end()) {
      reader->waits = true;
      return step;
    }
    step = log_.at(reader->position++);
    room = Trim();
  }
  if (room) TellEngine(&Call::SinkDrained);
  return step;
}

void SharedCall::Leave(LogReader* reader) {
  bool room = false;
  bool cancel = false;
  {
    std::lock_guard lock(mutex_);
    std::erase(readers_, reader);
    cancel = readers_.empty() && !ended_ && !left_;
    if (cancel) {
      left_ = true;
      joinable_ = false;
      log_.Clear();
      pending_.store(0, std::memory_order_relaxed);
    } else {
      room = Trim();
    }
  }
  if (cancel) {
    store_.Remove(this);
    TellEngine(&Call::Cancel);
  } else if (room) {
    TellEngine(&Call::SinkDrained);
  }
}

void SharedCall::TellEngine(void (Call::*what)()) {
  loop_.Post([self = shared_from_this(), what] {
    if (self->call_) (*self->call_.*what)();
  });
}

}  // namespace sluice
