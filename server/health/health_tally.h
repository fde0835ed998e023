// Checks in a row make a verdict. Pure.
#ifndef SLUICE_SERVER_HEALTH_HEALTH_TALLY_H_
#define SLUICE_SERVER_HEALTH_HEALTH_TALLY_H_

namespace sluice {

// Begins healthy: until it is known better, a new endpoint takes calls.
class HealthTally {
 public:
  // True: the verdict changed. So many failures in a row make it unhealthy, so
  // many passes healthy again; both at least 1, and free to change between calls.
  bool Observe(bool passed, int unhealthy_after, int healthy_after) {
    if (passed == healthy_) {
      against_ = 0;
      return false;
    }
    if (++against_ < (healthy_ ? unhealthy_after : healthy_after)) return false;
    healthy_ = passed;
    against_ = 0;
    return true;
  }

  bool healthy() const { return healthy_; }

 private:
  bool healthy_ = true;
  int against_ = 0;  // in a row, against the verdict
};

}  // namespace sluice

#endif  // SLUICE_SERVER_HEALTH_HEALTH_TALLY_H_
