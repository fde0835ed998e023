// What the process asks of the file system so that it outlives a power loss: a
// library of its own that stands before libc. A test that links it sees syncs
// and renames in their order.
#ifndef SLUICE_TESTS_SUPPORT_FILE_STEPS_H_
#define SLUICE_TESTS_SUPPORT_FILE_STEPS_H_

#include <string>
#include <vector>

namespace sluice {

// Since the start, or the last call: "sync PATH" and "rename FROM TO", those
// that succeeded. Any thread.
std::vector<std::string> TakeFileSteps();

}  // namespace sluice

#endif  // SLUICE_TESTS_SUPPORT_FILE_STEPS_H_
