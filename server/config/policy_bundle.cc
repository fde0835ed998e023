#include "server/config/policy_bundle.h"

#include <openssl/sha.h>

#include <algorithm>

#include "proto/policy/kinds.h"
#include "proto/policy/stable_bytes.h"

namespace sluice {

void PolicyBundler::Make(const ResourceSet& held) {
  v1::PolicyBundle bundle;
  for (const auto& [key, resource] : held.resources) {
    v1::ResourceUpsert& upsert = *bundle.add_resources();
    upsert.set_kind(key.first);
    upsert.set_name(key.second);
    upsert.set_version(resource.version);
    upsert.set_spec(StableBytes(SpecOf(*resource.resource)));
  }
  bytes_ = StableBytes(bundle);
  sha256_.assign(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size(),
         reinterpret_cast<unsigned char*>(sha256_.data()));
  epoch_ = held.epoch;
  revision_ = held.revision;
}

v1::PoliciesInForce PolicyBundler::Piece(const ResourceSet& held, uint64_t offset) {
  if (sha256_.empty() || epoch_ != held.epoch || revision_ != held.revision) Make(held);
  v1::PoliciesInForce piece;
  piece.set_epoch(epoch_);
  piece.set_revision(revision_);
  piece.set_total_bytes(bytes_.size());
  piece.set_sha256(sha256_);
  const uint64_t begin = std::min<uint64_t>(offset, bytes_.size());
  const uint64_t size = std::min<uint64_t>(bytes_.size() - begin, kMaxPolicyPiece);
  piece.set_data(bytes_.substr(begin, size));
  if (begin + size == bytes_.size()) {
    bytes_.clear();
    bytes_.shrink_to_fit();
    sha256_.clear();
  }
  return piece;
}

}  // namespace sluice
