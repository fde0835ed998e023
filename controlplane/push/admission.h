// A token bucket for new streams: after a restart every data plane comes back
// at once, and a snapshot for each is dear. Pure: time is an argument.
#ifndef SLUICE_CONTROLPLANE_PUSH_ADMISSION_H_
#define SLUICE_CONTROLPLANE_PUSH_ADMISSION_H_

#include <algorithm>

#include "absl/time/time.h"

namespace sluice {

class Admission {
 public:
  // `burst` streams at once, then `rate` a second.
  Admission(double rate, double burst) : rate_(rate), burst_(burst), tokens_(burst) {}

  bool TryAdmit(absl::Time now) {
    if (now > last_) tokens_ = std::min(burst_, tokens_ + rate_ * absl::ToDoubleSeconds(now - last_));
    last_ = std::max(last_, now);
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

  // How long until the next one is admitted.
  absl::Duration Wait() const { return absl::Seconds(std::max(0.0, 1 - tokens_) / rate_); }

 private:
  double rate_;
  double burst_;
  double tokens_;
  absl::Time last_ = absl::UnixEpoch();
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_PUSH_ADMISSION_H_
