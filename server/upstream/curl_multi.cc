#include "server/upstream/curl_multi.h"

#include <new>
#include <utility>

namespace sluice {
namespace {

template <typename T>
T* CheckHandle(T* handle) {
  if (handle == nullptr) throw std::bad_alloc();
  return handle;
}

}  // namespace

// One socket that libcurl asked to have watched; owned by libcurl's sockptr.
class CurlMulti::SocketWatch : public FdHandler {
 public:
  SocketWatch(CurlMulti& multi, curl_socket_t fd) : multi_(multi), fd_(fd) {}

  void OnReady(bool readable, bool writable) override {
    const int events = (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0);
    // May destroy this.
    multi_.Action(fd_, events);
  }

 private:
  CurlMulti& multi_;
  const curl_socket_t fd_;
};

CurlMulti::CurlMulti(IoLoop& loop)
    : loop_(loop), multi_(CheckHandle(curl_multi_init())), timer_(loop) {
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlMulti::OnSocket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlMulti::OnTimer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
}

CurlMulti::~CurlMulti() {
  // Closing what is left in its cache would call back into us for nothing.
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, nullptr);
  curl_multi_cleanup(multi_);
}

int CurlMulti::OnSocket(CURL*, curl_socket_t fd, int what, void* self, void* watch) {
  auto& multi = *static_cast<CurlMulti*>(self);
  auto* handler = static_cast<SocketWatch*>(watch);
  if (what == CURL_POLL_REMOVE) {
    if (handler == nullptr) return 0;
    multi.loop_.Unwatch(fd);
    curl_multi_assign(multi.multi_, fd, nullptr);
    delete handler;
    return 0;
  }
  if (handler == nullptr) {
    handler = new SocketWatch(multi, fd);
    curl_multi_assign(multi.multi_, fd, handler);
  }
  multi.loop_.Watch(fd, (what & CURL_POLL_IN) != 0, (what & CURL_POLL_OUT) != 0, handler);
  return 0;
}

int CurlMulti::OnTimer(CURLM*, long timeout_ms, void* self) {
  auto& multi = *static_cast<CurlMulti*>(self);
  if (timeout_ms < 0) {
    multi.timer_.Cancel();
    return 0;
  }
  multi.timer_.Set(multi.loop_.Now() + absl::Milliseconds(timeout_ms),
                   [&multi] { multi.Action(CURL_SOCKET_TIMEOUT, 0); });
  return 0;
}

void CurlMulti::Action(curl_socket_t fd, int events) {
  int running = 0;
  curl_multi_socket_action(multi_, fd, events, &running);
  ReportFinished();
}

void CurlMulti::ReportFinished() {
  int left = 0;
  // One at a time: an owner that hears of its own may destroy others, whose
  // messages then leave libcurl's queue.
  while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    void* owner = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
    CurlTransfer::Done done = std::move(static_cast<CurlTransfer*>(owner)->done_);
    if (done) done(code);
  }
}

CurlTransfer::CurlTransfer(CurlMulti& multi)
    : multi_(multi), easy_(CheckHandle(curl_easy_init())), error_text_(new char[CURL_ERROR_SIZE]()) {
  curl_easy_setopt(easy_, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, error_text_.get());
}

CurlTransfer::~CurlTransfer() {
  if (started_) {
    curl_multi_remove_handle(multi_.multi_, easy_);
    --multi_.transfers_;
  }
  curl_easy_cleanup(easy_);
}

void CurlTransfer::ForgetErrorText() {
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, nullptr);
  error_text_.reset();
}

void CurlTransfer::Start(Done done) {
  done_ = std::move(done);
  started_ = true;
  ++multi_.transfers_;
  curl_multi_add_handle(multi_.multi_, easy_);
}

}  // namespace sluice
