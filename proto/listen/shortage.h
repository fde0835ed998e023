// What is told of a share of descriptors that runs short: one line when it
// begins, one when it is over, however many connections meet it.
//
//   descriptors: 9,870 of 9,870 for callers in use; new callers wait
//   descriptors: well again after 4 s, 12 callers were refused
//
// Pure. DescriptorGuard has one for each share.
#ifndef SLUICE_PROTO_LISTEN_SHORTAGE_H_
#define SLUICE_PROTO_LISTEN_SHORTAGE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace sluice {

class Shortage {
 public:
  // `effect`: "new callers wait"; `whom`: "caller", with an s for several.
  Shortage(std::string_view effect, std::string_view whom) : effect_(effect), whom_(whom) {}

  // Somebody finds no room among those `of`: "for callers", or empty for all that
  // the process may have. The line to log, when it begins with that; else empty.
  std::string Meet(absl::Time now, int64_t in_use, int64_t limit, std::string_view of);
  // Somebody was turned away for it; after Meet.
  void Refuse() { ++refused_; }
  // Over when nobody has met it for a second: the line to log then, else empty.
  // From time to time, while it lasts.
  std::string Look(absl::Time now);

  // Empty: nothing is short.
  const std::string& line() const { return line_; }

 private:
  const std::string effect_;
  const std::string whom_;
  std::string line_;
  absl::Time since_;
  absl::Time last_;
  int64_t refused_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_LISTEN_SHORTAGE_H_
