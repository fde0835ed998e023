// Counts what the calling thread takes from the heap by operator new. Linking
// this replaces the operator for the whole program: for tests that are about
// nothing else.
#ifndef SLUICE_TESTS_SUPPORT_ALLOCATION_COUNT_H_
#define SLUICE_TESTS_SUPPORT_ALLOCATION_COUNT_H_

#include <cstddef>
#include <cstdint>

namespace sluice {

// So often.
uint64_t AllocationsOfThisThread();
// Bytes taken and not given back; those that another thread gives back stay.
int64_t BytesHeldByThisThread();

}  // namespace sluice

#endif  // SLUICE_TESTS_SUPPORT_ALLOCATION_COUNT_H_
