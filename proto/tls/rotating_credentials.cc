#include "proto/tls/rotating_credentials.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <string>
#include <utility>

namespace sluice {

class RotatingCredentials : public grpc::ServerCredentials {
 public:
  explicit RotatingCredentials(RotatingTls& tls) : tls_(tls) {}

  // Callers are known by their certificates; no metadata of theirs is processed.
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    grpc_server_credentials* const credentials = tls_.NewPort();
    const int port = grpc_server_add_http2_port(server, address.c_str(), credentials);
    grpc_server_credentials_release(credentials);
    return port;
  }

  RotatingTls& tls_;
};

RotatingTls::RotatingTls(TlsTexts texts, bool asks_clients) : asks_clients_(asks_clients), texts_(std::move(texts)) {}

RotatingTls::~RotatingTls() = default;

void RotatingTls::Publish(TlsTexts texts) {
  std::lock_guard lock(mutex_);
  texts_ = std::move(texts);
  generation_.fetch_add(1, std::memory_order_release);
}

std::shared_ptr<grpc::ServerCredentials> RotatingTls::Credentials() {
  return std::make_shared<RotatingCredentials>(*this);
}

grpc_server_credentials* RotatingTls::NewPort() {
  std::lock_guard lock(mutex_);
  Port* const port = ports_.emplace_back(std::make_unique<Port>(Port{this})).get();
  return grpc_ssl_server_credentials_create_with_options(
      grpc_ssl_server_credentials_create_options_using_config_fetcher(
          asks_clients_ ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                        : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
          Fetch, port));
}

grpc_ssl_certificate_config_reload_status RotatingTls::Fetch(void* argument,
                                                             grpc_ssl_server_certificate_config** config) {
  Port& port = *static_cast<Port*>(argument);
  RotatingTls& tls = *port.tls;
  if (tls.generation_.load(std::memory_order_acquire) == port.served) {
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
  }
  std::lock_guard lock(tls.mutex_);
  const grpc_ssl_pem_key_cert_pair pair{tls.texts_.key.c_str(), tls.texts_.cert.c_str()};
  // gRPC insists on authorities, also where it never asks a client for a
  // certificate; there it has no use for them.
  const std::string& authorities = tls.asks_clients_ ? tls.texts_.authorities : tls.texts_.cert;
  *config = grpc_ssl_server_certificate_config_create(authorities.c_str(), &pair, 1);
  port.served = tls.generation_.load(std::memory_order_relaxed);
  return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

}  // namespace sluice
