// What policies name on this machine, secrets and authorities, as one
// compilation reads it. Config worker only.
#ifndef SLUICE_SERVER_CONFIG_LOCAL_FILES_H_
#define SLUICE_SERVER_CONFIG_LOCAL_FILES_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "proto/tls/pem.h"
#include "server/config/credentials.h"
#include "server/engine/route_table.h"

namespace sluice {

// The secrets and authorities that a table uses, by credential name
// ("file:/run/secrets/key", "env:KEY") and by path.
struct UsedLocally {
  std::map<std::string, std::string> secrets;
  std::map<std::string, std::shared_ptr<const Authorities>> authorities;

  static UsedLocally By(const RouteTable& table);
};

class LocalFiles {
 public:
  // With `kept`, a table in force that the new one renews, what cannot be used
  // as it is now stays as it is there: one broken file holds up no other.
  LocalFiles(const CredentialResolver& resolver, const RouteTable* kept);

  // As CredentialResolver::Resolve.
  absl::StatusOr<std::string> Secret(const std::string& name);
  // NOT_FOUND: it cannot be read; INVALID_ARGUMENT: it is no such file. Read once
  // for all who name it.
  absl::StatusOr<std::shared_ptr<const Authorities>> AuthoritiesOf(const std::string& path);

 private:
  const CredentialResolver& resolver_;
  UsedLocally kept_;
  absl::flat_hash_map<std::string, absl::StatusOr<std::shared_ptr<const Authorities>>> read_;
};

// The authorities of a file as it is now.
absl::StatusOr<std::shared_ptr<const Authorities>> ReadAuthorities(const std::string& path);

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_LOCAL_FILES_H_
