#include "server/config/local_files.h"

#include <utility>

#include "proto/tls/tls_files.h"

namespace sluice {

UsedLocally UsedLocally::By(const RouteTable& table) {
  UsedLocally used;
  for (const auto& upstream : table.upstreams()) {
    for (const CredentialConfig& credential : upstream->credentials) {
      if (!credential.name.empty()) used.secrets[credential.name] = credential.secret;
    }
    if (upstream->authorities != nullptr) used.authorities[upstream->ca_file] = upstream->authorities;
  }
  return used;
}

LocalFiles::LocalFiles(const CredentialResolver& resolver, const RouteTable* kept) : resolver_(resolver) {
  if (kept != nullptr) kept_ = UsedLocally::By(*kept);
}

absl::StatusOr<std::string> LocalFiles::Secret(const std::string& name) {
  absl::StatusOr<std::string> secret = resolver_.Resolve(name);
  if (secret.ok()) return secret;
  const auto kept = kept_.secrets.find(name);
  return kept != kept_.secrets.end() ? kept->second : secret;
}

absl::StatusOr<std::shared_ptr<const Authorities>> LocalFiles::AuthoritiesOf(const std::string& path) {
  if (const auto known = read_.find(path); known != read_.end()) return known->second;
  auto authorities = ReadAuthorities(path);
  if (const auto kept = kept_.authorities.find(path); kept != kept_.authorities.end()) {
    // The same ones once more: not parsed into others, which would cost memory
    // for each renewal that is about something else.
    const bool same = authorities.ok() && (*authorities)->digest() == kept->second->digest();
    if (same || !authorities.ok()) authorities = kept->second;
  }
  return read_.emplace(path, std::move(authorities)).first->second;
}

absl::StatusOr<std::shared_ptr<const Authorities>> ReadAuthorities(const std::string& path) {
  const absl::StatusOr<std::string> pem = ReadPemFile(path);
  if (!pem.ok()) return pem.status();
  return Authorities::FromPem(*pem);
}

}  // namespace sluice
