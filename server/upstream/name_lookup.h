// What addresses a name stands for now, asked of the system apart from any
// connection, so that pools see that a host has moved.
#ifndef SLUICE_SERVER_UPSTREAM_NAME_LOOKUP_H_
#define SLUICE_SERVER_UPSTREAM_NAME_LOOKUP_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"

namespace sluice {

// Each as its 4 or 16 bytes; in order.
using AddressList = std::vector<std::string>;

// The address at the other end of a connected socket; empty if it has none.
std::string PeerAddress(int fd);

class NameLookup {
 public:
  // Null: the name could not be resolved.
  using Done = absl::AnyInvocable<void(std::shared_ptr<const AddressList>)>;

  virtual ~NameLookup() = default;
  // Any thread, never waits. `done` is called once, on any thread; or destroyed
  // when the process ends before.
  virtual void Look(const std::string& host, Done done) = 0;
};

// By getaddrinfo, on few threads that begin with the first name. A name that is
// being looked up is not asked for twice.
std::shared_ptr<NameLookup> MakeSystemNameLookup();

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_NAME_LOOKUP_H_
