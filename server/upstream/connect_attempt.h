// What the ways to connect have in common: how an attempt begins, what comes of
// it, and how it is given up. Loop thread only.
#ifndef SLUICE_SERVER_UPSTREAM_CONNECT_ATTEMPT_H_
#define SLUICE_SERVER_UPSTREAM_CONNECT_ATTEMPT_H_

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "server/upstream/connection.h"

namespace sluice {

// What came of an attempt: a connection, or an error for people.
struct ConnectResult {
  std::unique_ptr<Connection> connection;
  std::string error;
  // For want of a file descriptor: no fault of whom it was to lead to.
  bool no_descriptor = false;
};

// An attempt under way. Destroying it gives it up.
class ConnectAttempt {
 public:
  using Done = absl::AnyInvocable<void(ConnectResult)>;

  virtual ~ConnectAttempt() = default;
};

// One of the two: connected at once, or under way. Failures are always told
// later.
struct ConnectStart {
  std::unique_ptr<Connection> connection;
  std::unique_ptr<ConnectAttempt> attempt;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_CONNECT_ATTEMPT_H_
