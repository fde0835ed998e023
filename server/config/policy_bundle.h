// What a data plane holds from its control plane, as bytes to be asked for in
// pieces: the same bytes at every node that holds the same. On the config
// worker.
#ifndef SLUICE_SERVER_CONFIG_POLICY_BUNDLE_H_
#define SLUICE_SERVER_CONFIG_POLICY_BUNDLE_H_

#include <cstdint>
#include <string>

#include "server/config/resource_set.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

// Half of what an answer may have.
inline constexpr uint64_t kMaxPolicyPiece = 512 << 10;

class PolicyBundler {
 public:
  // The piece at `offset`; without data from the end on, so that whoever only
  // wants to compare asks beyond it. What was made for one piece is kept until
  // the last one was given or other policies are held.
  v1::PoliciesInForce Piece(const ResourceSet& held, uint64_t offset);

 private:
  void Make(const ResourceSet& held);

  std::string epoch_;
  uint64_t revision_ = 0;
  std::string bytes_;
  std::string sha256_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_POLICY_BUNDLE_H_
