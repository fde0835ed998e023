// Timers in the order in which they are due. Cancelling costs O(log n) and
// leaves nothing behind, for most timers of a call never fire. One thread.
#ifndef SLUICE_SERVER_RUNTIME_TIMER_HEAP_H_
#define SLUICE_SERVER_RUNTIME_TIMER_HEAP_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/runtime/loop.h"

namespace sluice {

class TimerHeap {
 public:
  // Never 0. Of two that are due at once the one added first comes first.
  Loop::TimerId Add(int64_t when_ns, Loop::Callback callback);
  // Harmless for 0, and for one that is gone.
  void Cancel(Loop::TimerId id);

  bool empty() const { return heap_.empty(); }
  size_t size() const { return heap_.size(); }
  // When the next one is due; not when empty.
  int64_t next_ns() const { return heap_.front().when_ns; }
  // Takes the next one out; not when empty.
  Loop::Callback Pop();

 private:
  struct Node {
    int64_t when_ns;
    uint64_t sequence;
    uint32_t slot;
    bool Before(const Node& other) const {
      return when_ns != other.when_ns ? when_ns < other.when_ns : sequence < other.sequence;
    }
  };
  struct Slot {
    Loop::Callback callback;
    uint32_t position = 0;    // in heap_, while in use
    uint32_t generation = 1;  // part of the id: an old id finds nothing
    bool used = false;
  };

  uint32_t TakeSlot();
  Loop::Callback Remove(uint32_t position);
  void Place(uint32_t position, const Node& node);
  void SiftUp(uint32_t position);
  void SiftDown(uint32_t position);

  std::vector<Node> heap_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  uint64_t next_sequence_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RUNTIME_TIMER_HEAP_H_
