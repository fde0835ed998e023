// Writing to a descriptor that others share and that may take nothing: a pipe
// that nobody reads, a full disk. Whether it blocks is not ours to change
// (O_NONBLOCK would be the terminal's, and our parent's, too), so what must not
// wait leaves the writing to a thread. Any thread.
#ifndef SLUICE_PROTO_LOG_OUTPUT_H_
#define SLUICE_PROTO_LOG_OUTPUT_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace sluice {

// How many bytes of `text` the descriptor took before it refused (ENOSPC, EIO,
// EPIPE …). Waits for one that is full.
size_t WriteAll(int fd, std::string_view text);

// What a program says at its start and has no log for: what nobody takes within
// the limit is given up. False: not all was taken.
bool PrintWithin(int fd, std::string text, absl::Duration limit = absl::Seconds(1));

}  // namespace sluice

#endif  // SLUICE_PROTO_LOG_OUTPUT_H_
