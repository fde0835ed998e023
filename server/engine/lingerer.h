// Keeps answered exchanges until their connection can be reused. A decoder may
// know the answer's end before the transport does ("[DONE]" comes before the
// last chunk of the body); the caller is answered at once, and to close the
// connection then would cost a handshake in the next call. One per loop.
#ifndef SLUICE_SERVER_ENGINE_LINGERER_H_
#define SLUICE_SERVER_ENGINE_LINGERER_H_

#include <cstddef>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "server/resilience/time.h"

namespace sluice {

class Attempt;

// Loop thread only. Destroyed before the transport and the loop.
class Lingerer {
 public:
  // The end follows in the same packet or the next; who takes longer does not
  // mean to be reused.
  static constexpr Duration kGrace = absl::Seconds(1);
  // More at once means that an upstream never ends its answers: close at once.
  static constexpr size_t kMax = 256;

  Lingerer();
  ~Lingerer();

  void Adopt(std::unique_ptr<Attempt> attempt);
  // The attempt's exchange is over, or its grace: destroys it.
  void Release(Attempt* attempt);
  size_t size() const { return attempts_.size(); }

 private:
  absl::flat_hash_map<Attempt*, std::unique_ptr<Attempt>> attempts_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_LINGERER_H_
