#include "proto/connection/server_look.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <memory>
#include <string_view>
#include <vector>

#include "absl/strings/str_join.h"

namespace sluice {
namespace {

class Socket {
 public:
  Socket(const std::string& host, const std::string& port, absl::Duration patience) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    if (getaddrinfo(host.c_str(), port.c_str(), &hints, &list) != 0) return;
    for (const addrinfo* each = list; each != nullptr && fd_ < 0; each = each->ai_next) Connect(*each, patience);
    freeaddrinfo(list);
  }
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return fd_; }

 private:
  void Connect(const addrinfo& address, absl::Duration patience) {
    const int fd = socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address.ai_protocol);
    if (fd < 0) return;
    connect(fd, address.ai_addr, address.ai_addrlen);
    pollfd wait{fd, POLLOUT, 0};
    int error = 0;
    socklen_t size = sizeof error;
    const bool there = poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(patience))) == 1 &&
                       getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
    if (!there) {
      close(fd);
      return;
    }
    // From here on it blocks, within bounds.
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    const timeval bound = absl::ToTimeval(patience);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
    fd_ = fd;
  }

  int fd_ = -1;
};

// The preface and an empty SETTINGS frame.
constexpr std::string_view kHttp2Start("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);

PlainAnswer Recognize(std::string_view bytes) {
  if (bytes.substr(0, 5) == "HTTP/") return PlainAnswer::kHttp1;
  // A record of TLS: an alert, as a rule.
  if (bytes.size() >= 3 && (bytes[0] == 0x15 || bytes[0] == 0x16) && bytes[1] == 3) return PlainAnswer::kTls;
  // A frame's type: SETTINGS first, GOAWAY where it is displeased.
  if (bytes.size() >= 9 && (bytes[3] == 4 || bytes[3] == 7)) return PlainAnswer::kHttp2;
  return PlainAnswer::kNothing;
}

struct SslDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslDeleter>;
using Ssl = std::unique_ptr<SSL, SslDeleter>;
using Certificate = std::unique_ptr<X509, SslDeleter>;

SslContext MakeContext(const TlsFiles& files) {
  SslContext context(SSL_CTX_new(TLS_client_method()));
  if (files.ca.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else {
    SSL_CTX_load_verify_locations(context.get(), files.ca.c_str(), nullptr);
  }
  if (!files.cert.empty()) {
    SSL_CTX_use_certificate_chain_file(context.get(), files.cert.c_str());
    SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM);
  }
  // Looked at afterwards: the handshake is to come to its end.
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  static constexpr unsigned char kAlpn[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context.get(), kAlpn, sizeof kAlpn);
  return context;
}

void ExpectHost(SSL* ssl, const std::string& host) {
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
  if (X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str()) == 1) return;
  X509_VERIFY_PARAM_set1_host(parameters, host.c_str(), host.size());
  SSL_set_tlsext_host_name(ssl, host.c_str());
}

std::string NameText(const GENERAL_NAME& name) {
  const ASN1_STRING* text = name.type == GEN_DNS ? name.d.dNSName : name.type == GEN_IPADD ? name.d.iPAddress : nullptr;
  if (text == nullptr) return "";
  const unsigned char* bytes = ASN1_STRING_get0_data(text);
  const int size = ASN1_STRING_length(text);
  if (name.type == GEN_DNS) return std::string(reinterpret_cast<const char*>(bytes), size);
  char shown[INET6_ADDRSTRLEN] = "";
  inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes, shown, sizeof shown);
  return shown;
}

// "cp.example.net, 10.0.0.1", a few of them.
std::string NamesOf(X509* certificate) {
  constexpr size_t kShown = 5;
  std::vector<std::string> names;
  auto* list = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(list) && names.size() < kShown; ++i) {
    const std::string name = NameText(*sk_GENERAL_NAME_value(list, i));
    if (!name.empty()) names.push_back(name);
  }
  GENERAL_NAMES_free(list);
  return absl::StrJoin(names, ", ");
}

// Of the error that OpenSSL last had.
bool WantsCertificate() {
  switch (ERR_GET_REASON(ERR_peek_last_error())) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      return true;
    default:
      return false;
  }
}

void ReadTrust(SSL* ssl, TlsAnswer& answer) {
  const Certificate certificate(SSL_get1_peer_certificate(ssl));
  if (certificate == nullptr) return;
  answer.names = NamesOf(certificate.get());
  const long result = SSL_get_verify_result(ssl);
  answer.wrong_name = result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH;
  if (result != X509_V_OK && !answer.wrong_name) answer.distrust = X509_verify_cert_error_string(result);
}

}  // namespace

PlainAnswer LookInPlainText(const std::string& host, const std::string& port, absl::Duration patience) {
  const Socket socket(host, port, patience);
  if (socket.fd() < 0) return PlainAnswer::kNobody;
  if (send(socket.fd(), kHttp2Start.data(), kHttp2Start.size(), MSG_NOSIGNAL) < 0) return PlainAnswer::kNothing;
  char bytes[64];
  size_t size = 0;
  while (size < 9) {
    const ssize_t came = recv(socket.fd(), bytes + size, sizeof bytes - size, 0);
    if (came <= 0) break;
    size += static_cast<size_t>(came);
  }
  return Recognize({bytes, size});
}

TlsAnswer LookWithTls(const std::string& host, const std::string& port, const TlsFiles& files, absl::Duration patience) {
  TlsAnswer answer;
  const Socket socket(host, port, patience);
  if (socket.fd() < 0) return answer;
  const SslContext context = MakeContext(files);
  const Ssl ssl(SSL_new(context.get()));
  SSL_set_fd(ssl.get(), socket.fd());
  ExpectHost(ssl.get(), host);
  ERR_clear_error();
  if (SSL_connect(ssl.get()) != 1) {
    answer.wants_certificate = WantsCertificate();
    answer.speaks_tls = answer.wants_certificate;
    return answer;
  }
  answer.speaks_tls = true;
  ReadTrust(ssl.get(), answer);
  // TLS 1.3 refuses a client after the handshake.
  char byte;
  ERR_clear_error();
  if (SSL_read(ssl.get(), &byte, 1) <= 0) answer.wants_certificate = WantsCertificate();
  return answer;
}

}  // namespace sluice
