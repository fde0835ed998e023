#include "server/upstream/connector.h"

#include <fcntl.h>
#include <openssl/ssl.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <string>
#include <utility>

#include "proto/listen/descriptor_budget.h"
#include "proto/tls/pem.h"
#include "server/upstream/connect_error.h"
#include "server/upstream/curl_multi.h"
#include "server/upstream/direct_connect.h"

namespace sluice {
namespace {

// libcurl looks through a multi's connections one by one at each send and
// receive of a TLS stream, so a multi holds few. (Bare sockets leave it once
// they are connected.) Each keeps what it parsed of the system's bundle: not too
// few, and endpoints with authorities of their own, for which libcurl parses
// nothing, have others.
constexpr size_t kTransfersPerMulti = 128;
// libcurl buffers nothing for us: its smallest.
constexpr long kCurlBufferBytes = 1024;

void InitialiseOnce() {
  static std::once_flag once;
  std::call_once(once, [] {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    // TLS libraries write without MSG_NOSIGNAL; a peer that is gone must not
    // take the process with it. A handler that somebody set is left alone.
    struct sigaction current {};
    if (sigaction(SIGPIPE, nullptr, &current) == 0 && current.sa_handler == SIG_DFL) {
      signal(SIGPIPE, SIG_IGN);
    }
  });
}

CURLSH* NewShare() {
  InitialiseOnce();
  // One thread: no lock functions.
  CURLSH* share = curl_share_init();
  curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
  return share;
}

std::string Bracketed(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

// Puts what the endpoint trusts in the place of what libcurl read.
CURLcode TrustAuthorities(CURL*, void* context, void* authorities) {
  SSL_CTX_set1_cert_store(static_cast<SSL_CTX*>(context), static_cast<const Authorities*>(authorities)->store());
  return CURLE_OK;
}

void SetTlsOptions(CURL* easy, const HttpEndpoint& endpoint, Duration ca_cache_time) {
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
  curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT,
                   static_cast<long>(absl::ToInt64Seconds(ca_cache_time)));
  // Only the file, the system's bundle or this one: with the system's folder
  // besides libcurl trusts no cache and parses the bundle for every connection.
  curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  if (endpoint.authorities == nullptr) return;
  // Parsed once, when the policy was: libcurl would parse them for each
  // connection, or go on with those of a file that was replaced.
  curl_easy_setopt(easy, CURLOPT_CAINFO, nullptr);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, TrustAuthorities);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, endpoint.authorities.get());
  // No folder, but a name that libcurl compares: a session that others verified
  // is not resumed, which would verify nothing.
  curl_easy_setopt(easy, CURLOPT_CAPATH, ("/dev/null/" + endpoint.authorities->digest()).c_str());
}

}  // namespace

class CurlAttempt : public ConnectAttempt {
 public:
  explicit CurlAttempt(CurlMulti& multi) : transfer_(std::make_unique<CurlTransfer>(multi)) {}
  ~CurlAttempt() override {
    transfer_.reset();
    curl_slist_free_all(connect_to_);
  }

 private:
  friend class Connector;

  curl_slist* connect_to_ = nullptr;
  std::unique_ptr<CurlTransfer> transfer_;
};

Connector::Connector(IoLoop& loop, const TransportOptions& options)
    : loop_(loop), options_(options), share_(NewShare()) {}

Connector::~Connector() {
  multis_.clear();
  curl_share_cleanup(share_);
}

CurlMulti& Connector::PickMulti(bool of_the_system) {
  for (Multi& multi : multis_) {
    if (multi.of_the_system == of_the_system && multi.curl->transfers() < kTransfersPerMulti) return *multi.curl;
  }
  multis_.push_back({of_the_system, std::make_unique<CurlMulti>(loop_)});
  return *multis_.back().curl;
}

ConnectStart Connector::Connect(std::shared_ptr<const HttpEndpoint> endpoint, bool anew,
                                ConnectAttempt::Done done) {
  if (const SocketAddress address(*endpoint); DirectConnect::Fits(*endpoint, address)) {
    return DirectConnect::Start(loop_, std::move(endpoint), address, options_.max_connect_time,
                                std::move(done));
  }
  return {nullptr, ConnectByCurl(std::move(endpoint), anew, std::move(done))};
}

std::unique_ptr<ConnectAttempt> Connector::ConnectByCurl(
    std::shared_ptr<const HttpEndpoint> endpoint, bool anew, ConnectAttempt::Done done) {
  auto attempt = std::make_unique<CurlAttempt>(PickMulti(!endpoint->tls || endpoint->authorities == nullptr));
  SetOptions(attempt->transfer_->easy(), *endpoint, anew);
  SetTarget(*attempt, *endpoint);
  attempt->transfer_->Start([this, raw = attempt.get(), endpoint = std::move(endpoint),
                             done = std::move(done)](CURLcode code) mutable {
    done(Finish(*raw, *endpoint, code));
  });
  return attempt;
}

void Connector::SetOptions(CURL* easy, const HttpEndpoint& endpoint, bool anew) {
  curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_SHARE, share_);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kCurlBufferBytes);
  curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
  // An idle connection whose peer is gone without a word is found in the end.
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  // Without it, giving up while a name is being resolved blocks the loop until
  // the resolver's thread returns.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  // Offers no HTTP/2 in ALPN.
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(options_.max_connect_time)));
  // Whoever looks the name up more often does not want an older answer here.
  const Duration remembered = anew ? absl::ZeroDuration() : std::min(options_.dns_cache_time, endpoint.pool.resolve_every);
  curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, static_cast<long>(absl::ToInt64Seconds(remembered)));
  curl_easy_setopt(easy, CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(options_.happy_eyeballs_delay)));
  // Empty, not absent: the environment names no proxy for us, nor excepts one.
  curl_easy_setopt(easy, CURLOPT_PROXY, endpoint.proxy.c_str());
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
  if (!endpoint.proxy.empty()) curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
  if (endpoint.tls) SetTlsOptions(easy, endpoint, options_.ca_cache_time);
}

void Connector::SetTarget(CurlAttempt& attempt, const HttpEndpoint& endpoint) {
  CURL* easy = attempt.transfer_->easy();
  // The URL's host is what the certificate is checked against and what SNI
  // says; where to connect can differ from it.
  const bool renamed = endpoint.tls && !endpoint.server_name.empty();
  const std::string& name = renamed ? endpoint.server_name : endpoint.host;
  const std::string url = (endpoint.tls ? "https://" : "http://") + Bracketed(name) + ":" +
                          std::to_string(endpoint.port) + "/";
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  if (!renamed) return;
  const std::string to = "::" + Bracketed(endpoint.host) + ":" + std::to_string(endpoint.port);
  attempt.connect_to_ = curl_slist_append(nullptr, to.c_str());
  curl_easy_setopt(easy, CURLOPT_CONNECT_TO, attempt.connect_to_);
}

ConnectResult Connector::Finish(CurlAttempt& attempt, const HttpEndpoint& endpoint,
                                CURLcode code) {
  CURL* easy = attempt.transfer_->easy();
  if (code != CURLE_OK) {
    long os_error = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
    // Most of libcurl's codes do not tell: a lookup, or a file that could not be
    // opened.
    return {nullptr,
            DescribeConnectError(endpoint, code, static_cast<int>(os_error), attempt.transfer_->error_text()),
            IsOutOfDescriptors(static_cast<int>(os_error)) || NoDescriptorLeft()};
  }
  curl_socket_t fd = CURL_SOCKET_BAD;
  curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd);
  if (endpoint.tls) {
    attempt.transfer_->ForgetErrorText();
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, nullptr);
    return {std::make_unique<Connection>(std::move(attempt.transfer_), fd, loop_.Now()), "", false};
  }
  // A bare socket needs nothing of libcurl's: ours is a second name for it,
  // and libcurl's goes with the attempt.
  const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0) {
    return {nullptr, "no file descriptor for the connection to " +
                         HostAndPort(endpoint.host, endpoint.port) + ": " + DescribeErrno(errno),
            true};
  }
  return {std::make_unique<Connection>(own, loop_.Now()), "", false};
}

}  // namespace sluice
