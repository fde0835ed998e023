#include "server/runtime/timer_heap.h"

#include <utility>

namespace sluice {
namespace {

// Four children a node: half the levels of a binary heap, and they share
// cache lines.
constexpr uint32_t kArity = 4;

Loop::TimerId MakeId(uint32_t slot, uint32_t generation) {
  return uint64_t{generation} << 32 | slot;
}

}  // namespace

Loop::TimerId TimerHeap::Add(int64_t when_ns, Loop::Callback callback) {
  const uint32_t slot = TakeSlot();
  slots_[slot].callback = std::move(callback);
  slots_[slot].used = true;
  const uint32_t position = static_cast<uint32_t>(heap_.size());
  heap_.push_back(Node{when_ns, next_sequence_++, slot});
  slots_[slot].position = position;
  SiftUp(position);
  return MakeId(slot, slots_[slot].generation);
}

void TimerHeap::Cancel(Loop::TimerId id) {
  const uint32_t slot = static_cast<uint32_t>(id);
  if (id == 0 || slot >= slots_.size() || !slots_[slot].used ||
      slots_[slot].generation != static_cast<uint32_t>(id >> 32)) {
    return;
  }
  // Destroyed only after the heap is whole again: the callback may own
  // something that cancels another timer.
  Loop::Callback dropped = Remove(slots_[slot].position);
}

Loop::Callback TimerHeap::Pop() { return Remove(0); }

uint32_t TimerHeap::TakeSlot() {
  if (free_.empty()) {
    slots_.emplace_back();
    return static_cast<uint32_t>(slots_.size() - 1);
  }
  const uint32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

Loop::Callback TimerHeap::Remove(uint32_t position) {
  const uint32_t slot_index = heap_[position].slot;
  const Node last = heap_.back();
  heap_.pop_back();
  if (position < heap_.size()) {
    Place(position, last);
    SiftUp(position);
    SiftDown(slots_[last.slot].position);
  }
  Slot& slot = slots_[slot_index];
  slot.used = false;
  // 0 is skipped so that no id is 0.
  if (++slot.generation == 0) slot.generation = 1;
  free_.push_back(slot_index);
  return std::exchange(slot.callback, nullptr);
}

void TimerHeap::Place(uint32_t position, const Node& node) {
  heap_[position] = node;
  slots_[node.slot].position = position;
}

void TimerHeap::SiftUp(uint32_t position) {
  const Node node = heap_[position];
  while (position > 0) {
    const uint32_t parent = (position - 1) / kArity;
    if (!node.Before(heap_[parent])) break;
    Place(position, heap_[parent]);
    position = parent;
  }
  Place(position, node);
}

void TimerHeap::SiftDown(uint32_t position) {
  const Node node = heap_[position];
  const uint32_t size = static_cast<uint32_t>(heap_.size());
  for (;;) {
    const uint32_t first = position * kArity + 1;
    if (first >= size) break;
    uint32_t best = first;
    for (uint32_t child = first + 1; child < first + kArity && child < size; ++child) {
      if (heap_[child].Before(heap_[best])) best = child;
    }
    if (!heap_[best].Before(node)) break;
    Place(position, heap_[best]);
    position = best;
  }
  Place(position, node);
}

}  // namespace sluice
