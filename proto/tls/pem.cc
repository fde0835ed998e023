#include "proto/tls/pem.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

template <auto free>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freer<BIO_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Context = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;

absl::Status Wrong(std::string message) { return absl::InvalidArgumentError(std::move(message)); }

Bio Reader(std::string_view text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

size_t Count(std::string_view text, std::string_view word) {
  size_t count = 0;
  for (size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + word.size())) ++count;
  return count;
}

// Why OpenSSL refused, in its words: "ee key too small".
std::string Reason() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason == nullptr ? "refused" : reason;
}

// Asked for where a key is encrypted; OpenSSL itself would ask the terminal.
int NoPassword(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return 0;
}

absl::StatusOr<std::vector<Certificate>> ParseCertificates(std::string_view pem) {
  // A text that is being written may end in the middle of a line that would
  // begin the next.
  if (Count(pem, "-----BEGIN ") != Count(pem, "-----END ")) {
    return Wrong("has a PEM block that is cut off: its END line is missing");
  }
  const Bio bio = Reader(pem);
  std::vector<Certificate> certificates;
  ERR_clear_error();
  while (Certificate one{PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr)}) {
    certificates.push_back(std::move(one));
  }
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  // Which is how the end of the text shows.
  const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (!at_end) return Wrong("has a certificate that is damaged");
  if (certificates.empty()) {
    return Wrong("holds no certificate; a PEM file with -----BEGIN CERTIFICATE----- is needed");
  }
  return certificates;
}

absl::Time ToAbsl(const ASN1_TIME* time) {
  tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfiniteFuture();
  return absl::FromTM(parts, absl::UTCTimeZone());
}

CertificateFacts FactsOf(const X509& certificate) {
  CertificateFacts facts;
  const Bio text(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(text.get(), X509_get_subject_name(&certificate), 0, XN_FLAG_RFC2253);
  char* begin = nullptr;
  const long size = BIO_get_mem_data(text.get(), &begin);
  if (size > 0) facts.subject.assign(begin, static_cast<size_t>(size));
  if (BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(&certificate), nullptr)) {
    if (char* digits = BN_bn2hex(number)) {
      facts.serial = digits;
      OPENSSL_free(digits);
    }
    BN_free(number);
  }
  facts.not_before = ToAbsl(X509_get0_notBefore(&certificate));
  facts.not_after = ToAbsl(X509_get0_notAfter(&certificate));
  return facts;
}

absl::StatusOr<Key> ParseKey(std::string_view pem) {
  const Bio bio = Reader(pem);
  bool asked = false;
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, &asked));
  ERR_clear_error();
  if (key != nullptr) return key;
  if (asked) return Wrong("is encrypted; a key without a passphrase is needed");
  if (pem.find("PRIVATE KEY-----") == std::string_view::npos) {
    return Wrong("holds no private key; a PEM file with -----BEGIN PRIVATE KEY----- is needed");
  }
  return Wrong("has a private key that is cut off or damaged");
}

absl::StatusOr<std::string> Digest(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr) != 1) {
    return absl::InternalError(absl::StrCat("cannot be digested: ", Reason()));
  }
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<char*>(digest), size));
}

}  // namespace

absl::StatusOr<std::vector<CertificateFacts>> ReadCertificates(std::string_view pem) {
  const auto certificates = ParseCertificates(pem);
  if (!certificates.ok()) return certificates.status();
  std::vector<CertificateFacts> facts;
  for (const Certificate& one : *certificates) facts.push_back(FactsOf(*one));
  return facts;
}

absl::Status CheckChainAndKey(std::string_view chain_pem, std::string_view key_pem, PemPart* wrong) {
  *wrong = PemPart::kChain;
  auto chain = ParseCertificates(chain_pem);
  if (!chain.ok()) return chain.status();
  // Keys that are too short for this machine's level of security are found here.
  const Context context(SSL_CTX_new(TLS_method()));
  if (context == nullptr) return absl::InternalError(Reason());
  if (SSL_CTX_use_certificate(context.get(), chain->front().get()) != 1) {
    return Wrong(absl::StrCat("has a certificate that TLS cannot use: ", Reason()));
  }
  for (size_t i = 1; i < chain->size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context.get(), (*chain)[i].get()) != 1) {
      return Wrong(absl::StrCat("has a chain that TLS cannot use: ", Reason()));
    }
  }
  *wrong = PemPart::kKey;
  const auto key = ParseKey(key_pem);
  if (!key.ok()) return key.status();
  const bool fits = X509_check_private_key(chain->front().get(), key->get()) == 1;
  ERR_clear_error();
  if (!fits) {
    *wrong = PemPart::kPair;
    return Wrong("is not the key of the first certificate");
  }
  if (SSL_CTX_use_PrivateKey(context.get(), key->get()) != 1) {
    return Wrong(absl::StrCat("has a key that TLS cannot use: ", Reason()));
  }
  *wrong = PemPart::kNone;
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const Authorities>> Authorities::FromPem(std::string_view pem) {
  const auto certificates = ParseCertificates(pem);
  if (!certificates.ok()) return certificates.status();
  auto digest = Digest(pem);
  if (!digest.ok()) return digest.status();
  X509_STORE* store = X509_STORE_new();
  if (store == nullptr) return absl::InternalError(Reason());
  std::shared_ptr<const Authorities> authorities(new Authorities(store, *std::move(digest)));
  for (const Certificate& one : *certificates) {
    if (X509_STORE_add_cert(store, one.get()) != 1) {
      return Wrong(absl::StrCat("has a certificate that cannot be trusted: ", Reason()));
    }
  }
  // As libcurl sets them: the shortest way to what is trusted counts, and what is
  // written need not be a root.
  X509_STORE_set_flags(store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
  return authorities;
}

Authorities::Authorities(x509_store_st* store, std::string digest) : store_(store), digest_(std::move(digest)) {}

Authorities::~Authorities() { X509_STORE_free(store_); }

}  // namespace sluice
