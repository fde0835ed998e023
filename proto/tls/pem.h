// What PEM texts hold: certificates, keys, authorities. Both planes check files
// with it before they use them, so that what is wrong is told in one line and
// nothing that works is given up for it. Pure functions of their arguments; any
// thread.
#ifndef SLUICE_PROTO_TLS_PEM_H_
#define SLUICE_PROTO_TLS_PEM_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

struct x509_store_st;

namespace sluice {

struct CertificateFacts {
  std::string subject;  // "CN=sluice.example.net"
  std::string serial;   // hexadecimal digits
  absl::Time not_before;
  absl::Time not_after;
};

// All certificates of a text, at least one. INVALID_ARGUMENT completes a
// sentence: "holds no certificate", "has a certificate that is cut off or
// damaged".
absl::StatusOr<std::vector<CertificateFacts>> ReadCertificates(std::string_view pem);

enum class PemPart { kNone, kChain, kKey, kPair };

// Whether a TLS server or client can use the two together, asked of the library
// that will. `*wrong`: which of them the message, as above, is about; kPair: the key is
// another certificate's.
absl::Status CheckChainAndKey(std::string_view chain_pem, std::string_view key_pem, PemPart* wrong);

// Certificates that are trusted, parsed once for all connections. Thread-safe.
class Authorities {
 public:
  static absl::StatusOr<std::shared_ptr<const Authorities>> FromPem(std::string_view pem);
  ~Authorities();
  Authorities(const Authorities&) = delete;
  Authorities& operator=(const Authorities&) = delete;

  // OpenSSL's; counted, so that a connection may keep it longer.
  x509_store_st* store() const { return store_; }
  // Of the text: equal ones trust the same.
  const std::string& digest() const { return digest_; }

 private:
  Authorities(x509_store_st* store, std::string digest);

  x509_store_st* const store_;
  const std::string digest_;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_TLS_PEM_H_
