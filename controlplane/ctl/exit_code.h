// What sluicectl's exit status tells a script. Contract: a number never
// changes its meaning.
#ifndef SLUICE_CONTROLPLANE_CTL_EXIT_CODE_H_
#define SLUICE_CONTROLPLANE_CTL_EXIT_CODE_H_

#include "grpcpp/support/status_code_enum.h"

namespace sluice::ctl {

enum class ExitCode {
  kOk = 0,
  kUnexpected = 1,
  kUsage = 2,
  // Nobody answers at the address, or not in time.
  kUnreachable = 3,
  kNotFound = 4,
  // The policy is wrong; nothing was changed.
  kInvalidPolicy = 5,
  // Somebody was faster (etag), or others refer to it; nothing was changed.
  kConflict = 6,
  // A data plane refused. After a change of policies: committed, and it runs the
  // revision before.
  kNodeRefused = 7,
  // A data plane has not answered in time, or is not there. After a change of
  // policies: committed.
  kNotAcked = 8,
  // Only `diff --exit-code`.
  kDifferent = 9,
  // What was asked for was done, but what it says could not be written (a full
  // disk, a closed standard output).
  kNotWritten = 10,
  // Only `analyze`.
  kFindings = 11,
  // Whoever read the output stopped (| head): quiet, as by SIGPIPE.
  kBrokenPipe = 141,
};

// The table for --help.
inline constexpr char kExitCodeHelp[] = R"(Exit status:
  0  done
  1  unexpected error
  2  wrong usage
  3  the control plane cannot be reached, or did not answer in time
  4  not found
  5  the policy is wrong; nothing was changed
  6  conflict: changed by somebody else, or still referred to; nothing was changed
  7  a data plane refused it; a change of policies is committed, and it keeps the revision before
  8  a data plane did not answer in time or is not there; a change of policies is committed
  9  differences found (diff --exit-code only)
  10  done, but the output could not be written (disk full, standard output closed)
  11  analyze found something)";

ExitCode ExitCodeOf(grpc::StatusCode code);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_EXIT_CODE_H_
