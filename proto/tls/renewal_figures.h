// How the renewal of one thing goes that is read from files while a service
// runs: for metrics.
#ifndef SLUICE_PROTO_TLS_RENEWAL_FIGURES_H_
#define SLUICE_PROTO_TLS_RENEWAL_FIGURES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"

namespace sluice {

struct RenewalFigures {
  std::string what;                     // "listener"
  uint64_t failures = 0;                // new contents that could not be used
  absl::Time taken;                     // when what is in force was taken
  std::optional<absl::Time> not_after;  // of its certificate, where there is one
};

}  // namespace sluice

#endif  // SLUICE_PROTO_TLS_RENEWAL_FIGURES_H_
