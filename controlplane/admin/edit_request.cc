#include "controlplane/admin/edit_request.h"

#include <openssl/evp.h>

#include "proto/policy/stable_bytes.h"

namespace sluice {

std::string FingerprintOf(const google::protobuf::Message& request) {
  const std::string bytes = request.GetTypeName() + StableBytes(request);
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &size, EVP_sha256(),
             nullptr);
  digest.resize(size);
  return digest;
}

}  // namespace sluice
