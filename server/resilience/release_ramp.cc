#include "server/resilience/release_ramp.h"

namespace sluice {

void ReleaseRamp::Begin(TimePoint opens) {
  holds_ = true;
  stopped_ = false;
  ++release_;
  may_go_ = 1;
  opens_ = opens;
  under_way_ = undecided_ = 0;
}

void ReleaseRamp::Hold() { Begin(absl::InfinitePast()); }

TimePoint ReleaseRamp::OpensAt(TimePoint now) const {
  if (!holds_) return now;
  if (may_go_ > 0) return opens_;
  return last_went_ + kPatience;
}

ReleaseRamp::Release ReleaseRamp::Went(TimePoint now) {
  if (!holds_) return release_;
  if (may_go_ == 0 && now >= last_went_ + kPatience) {
    may_go_ = 2 * undecided_;
    undecided_ = 0;
  }
  if (may_go_ > 0) --may_go_;
  ++under_way_;
  ++undecided_;
  last_went_ = now;
  return release_;
}

void ReleaseRamp::Succeeded(Release release) {
  if (release != release_ || under_way_ == 0) return;
  --under_way_;
  stopped_ = false;
  if (undecided_ == 0) return;  // it was counted already
  --undecided_;
  may_go_ += 2;
}

void ReleaseRamp::Failed(Release release, TimePoint now) {
  if (release != release_ || !holds_) return;
  Begin(now + kPause);
  stopped_ = true;
}

void ReleaseRamp::Lost(Release release) {
  if (release != release_ || under_way_ == 0) return;
  --under_way_;
  if (undecided_ == 0) return;
  --undecided_;
  ++may_go_;
}

}  // namespace sluice
