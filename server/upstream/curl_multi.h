// libcurl's multi interface on our loop, for connecting only: sockets and the
// timer go to the loop, finished transfers to their owners. Loop thread only.
#ifndef SLUICE_SERVER_UPSTREAM_CURL_MULTI_H_
#define SLUICE_SERVER_UPSTREAM_CURL_MULTI_H_

#include <curl/curl.h>

#include <cstddef>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "server/runtime/loop.h"

namespace sluice {

class CurlMulti {
 public:
  explicit CurlMulti(IoLoop& loop);
  // All its transfers must be gone.
  ~CurlMulti();
  CurlMulti(const CurlMulti&) = delete;
  CurlMulti& operator=(const CurlMulti&) = delete;

  size_t transfers() const { return transfers_; }

 private:
  friend class CurlTransfer;
  class SocketWatch;

  static int OnSocket(CURL* easy, curl_socket_t fd, int what, void* self, void* watch);
  static int OnTimer(CURLM* multi, long timeout_ms, void* self);

  void Action(curl_socket_t fd, int events);
  void ReportFinished();

  IoLoop& loop_;
  CURLM* const multi_;
  Timer timer_;
  size_t transfers_ = 0;
};

// One easy handle inside a CurlMulti, from its start until it is destroyed.
// With CURLOPT_CONNECT_ONLY a finished transfer is an open connection.
class CurlTransfer {
 public:
  using Done = absl::AnyInvocable<void(CURLcode)>;

  explicit CurlTransfer(CurlMulti& multi);
  // Not from within a callback of libcurl; from within `done` is fine.
  ~CurlTransfer();
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  CURL* easy() const { return easy_; }
  // What libcurl has to say about a failure; may be "".
  const char* error_text() const { return error_text_ ? error_text_.get() : ""; }
  // A connection that stays needs no room for it.
  void ForgetErrorText();

  // Once, after the options are set. `done` is called in a later turn, once.
  void Start(Done done);

 private:
  friend class CurlMulti;

  CurlMulti& multi_;
  CURL* const easy_;
  std::unique_ptr<char[]> error_text_;  // while connecting
  bool started_ = false;
  Done done_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_CURL_MULTI_H_
