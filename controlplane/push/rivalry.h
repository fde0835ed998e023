// Two programs that say to be one node: what operators and the log are told of
// it. Pure: time is an argument. Part of a Node, under the hub's mutex.
#ifndef SLUICE_CONTROLPLANE_PUSH_RIVALRY_H_
#define SLUICE_CONTROLPLANE_PUSH_RIVALRY_H_

#include <string>

#include "absl/time/time.h"

namespace sluice {

class Rivalry {
 public:
  // A second program, at `peer`, was refused. True: it should be told in the
  // log; at most once a minute.
  bool OnRefused(const std::string& peer, absl::Time now) {
    peer_ = peer;
    seen_ = now;
    return Tell(now);
  }

  // A stream from `peer` gave way to a newer one, and neither tells which start
  // of the program it is: from the second time on within kMemory they are two.
  // A single one may have come back before its loss was seen.
  bool OnReplaced(const std::string& peer, absl::Time now) {
    if (now >= replaced_at_ + kMemory) replaced_ = 0;
    replaced_at_ = now;
    if (++replaced_ < kRivalAfter) return false;
    return OnRefused(peer, now);
  }

  // Where the other one is; empty: none was seen lately.
  std::string Peer(absl::Time now) const { return now < seen_ + kMemory ? peer_ : ""; }

 private:
  // Data planes connect anew within two minutes at most: two with one id are
  // seen again and again in this time.
  static constexpr absl::Duration kMemory = absl::Minutes(5);
  static constexpr int kRivalAfter = 2;
  static constexpr absl::Duration kTellInterval = absl::Minutes(1);

  bool Tell(absl::Time now) {
    if (now < told_ + kTellInterval) return false;
    told_ = now;
    return true;
  }

  std::string peer_;
  absl::Time seen_ = absl::InfinitePast();
  absl::Time told_ = absl::InfinitePast();
  int replaced_ = 0;
  absl::Time replaced_at_ = absl::InfinitePast();
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_PUSH_RIVALRY_H_
