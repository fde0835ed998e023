#include "tests/support/allocation_count.h"

#include <malloc.h>

#include <cstdlib>
#include <new>

namespace {

thread_local uint64_t allocations = 0;
thread_local int64_t held = 0;

void* Take(size_t size, size_t alignment) {
  void* block = alignment == 0 ? std::malloc(size) : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (block == nullptr) std::abort();
  ++allocations;
  held += static_cast<int64_t>(malloc_usable_size(block));
  return block;
}

void GiveBack(void* block) {
  if (block != nullptr) held -= static_cast<int64_t>(malloc_usable_size(block));
  std::free(block);
}

}  // namespace

void* operator new(size_t size) { return Take(size, 0); }
void* operator new(size_t size, std::align_val_t alignment) { return Take(size, static_cast<size_t>(alignment)); }
void operator delete(void* block) noexcept { GiveBack(block); }
void operator delete(void* block, size_t) noexcept { GiveBack(block); }
void operator delete(void* block, std::align_val_t) noexcept { GiveBack(block); }
void operator delete(void* block, size_t, std::align_val_t) noexcept { GiveBack(block); }

namespace sluice {

uint64_t AllocationsOfThisThread() { return allocations; }
int64_t BytesHeldByThisThread() { return held; }

}  // namespace sluice
