// Attempts that go on though nobody waits for them any longer: callers that all
// leave early would hide that nothing answers at an endpoint, so now and then one
// attempt is carried to its own end (CircuitBreaker::TryVerify). It ends at its
// first content, at its failure, or at a bound of its own (connect, first content,
// the total of a unary call); all who learn are told as of any attempt, its
// connection is closed, and what came is delivered to nobody. One per loop.
#ifndef SLUICE_SERVER_ENGINE_VERIFYING_ATTEMPTS_H_
#define SLUICE_SERVER_ENGINE_VERIFYING_ATTEMPTS_H_

#include <cstddef>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "server/engine/call.h"
#include "server/engine/running_attempt.h"

namespace sluice {

class Verification;

// Loop thread only. Destroyed before the transport and the loop; what still runs
// then is ended, and says nothing against anybody.
class VerifyingAttempts {
 public:
  VerifyingAttempts();
  ~VerifyingAttempts();

  // `params`: of the call that it was made for. It keeps the route and the request
  // for as long as it takes; `running` holds all that the attempt holds (room within
  // limits, permits, its share of the retry budget). `record`: as the call ended it.
  void Adopt(const EngineContext& context, const CallParams& params, std::unique_ptr<RunningAttempt> running,
             AttemptRecord record);
  size_t size() const { return running_.size(); }

 private:
  friend class Verification;
  void Release(Verification* verification);

  absl::flat_hash_map<Verification*, std::unique_ptr<Verification>> running_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_VERIFYING_ATTEMPTS_H_
