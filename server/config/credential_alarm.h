// Tells the configuration of credentials that upstreams refuse, so that one which
// was renewed on disk is taken at once. On the loops' threads, at attempts that
// ended so only.
#ifndef SLUICE_SERVER_CONFIG_CREDENTIAL_ALARM_H_
#define SLUICE_SERVER_CONFIG_CREDENTIAL_ALARM_H_

#include <functional>
#include <string_view>
#include <utility>

#include "server/engine/call_observer.h"

namespace sluice {

class CredentialAlarm : public CallObserver {
 public:
  // Gets the credential's name; any thread.
  explicit CredentialAlarm(std::function<void(std::string_view)> refused) : refused_(std::move(refused)) {}

  void AttemptEnded(const CallInfo&, const AttemptRecord& attempt) override {
    if (attempt.failure == FailureKind::kAuth && !attempt.credential.empty()) refused_(attempt.credential);
  }

 private:
  const std::function<void(std::string_view)> refused_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_CREDENTIAL_ALARM_H_
