#include "tests/bench/http_load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/bench/stamp.h"

namespace sluice::bench {
namespace {

std::string RequestOf(const LoadPlan& plan, const AnswerScript& answer) {
  const std::string body = R"({"model":")" + ModelOf(plan, answer) +
                           R"(","stream":true,"messages":[{"role":"user","content":")" +
                           std::string(plan.prompt_bytes, 'x') + R"("}]})";
  std::string head = "POST " + plan.path + " HTTP/1.1\r\nHost: " + plan.host + ":" + std::to_string(plan.port) + "\r\n";
  for (const std::string& header : plan.headers) head += header + "\r\n";
  return head + "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// Takes HTTP's chunked framing off, as far as any split of bytes has come.
class Dechunker {
 public:
  // Appends the body's bytes to `out`. True at the end of the body.
  bool Feed(std::string_view bytes, std::string& out) {
    while (!bytes.empty()) {
      if (left_ > 0) {
        const size_t take = std::min(left_, bytes.size());
        out.append(bytes.substr(0, take));
        left_ -= take;
        bytes.remove_prefix(take);
        continue;
      }
      const char c = bytes.front();
      bytes.remove_prefix(1);
      if (c != '\n') {
        if (c != '\r') line_.push_back(c);
      } else if (OnLine()) {
        return true;
      }
    }
    return false;
  }
  void Reset() { *this = Dechunker(); }

 private:
  // The empty line after a chunk, a size, or the last line of the body.
  bool OnLine() {
    if (line_.empty()) return last_;
    left_ = std::strtoull(line_.c_str(), nullptr, 16);
    last_ = left_ == 0;
    line_.clear();
    return false;
  }

  size_t left_ = 0;
  bool last_ = false;
  std::string line_;
};

class Stream {
 public:
  Stream(const LoadPlan& plan, Recorder& recorder) : recorder_(recorder), fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(plan.port));
    inet_pton(AF_INET, plan.host.c_str(), &address.sin_addr);
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
      recorder_.OnError(std::string("connect: ") + std::strerror(errno));
    }
  }
  ~Stream() { close(fd_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  int fd() const { return fd_; }

  // The socket blocks: a request always fits in its buffer.
  void Start(const std::string& request) {
    head_.clear();
    in_body_ = false;
    body_.clear();
    dechunker_.Reset();
    progress_.Start(NowNs());
    if (send(fd_, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
      recorder_.OnError(std::string("send: ") + std::strerror(errno));
    }
  }

  // Reads what is there. False when the call has ended; `count` false: it is
  // the warm-up.
  bool OnReadable(bool count) {
    static std::array<char, 64 << 10> buffer;
    const ssize_t got = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (got <= 0) return Broken("the connection was closed in the middle of an answer");
    std::string_view bytes(buffer.data(), static_cast<size_t>(got));
    if (!in_body_ && !TakeHead(bytes)) return !broken_;
    const bool over = dechunker_.Feed(bytes, body_);
    if (count) TakeStamps();
    if (!over) return true;
    if (body_.find("[DONE]") == std::string::npos) return Broken("an answer without [DONE]");
    if (count) recorder_.OnEnd(progress_);
    return false;
  }

  bool broken() const { return broken_; }

 private:
  bool Broken(std::string what) {
    broken_ = true;
    recorder_.OnError(std::move(what));
    return false;
  }

  // Leaves the rest in `bytes`; false when the head is not whole yet.
  bool TakeHead(std::string_view& bytes) {
    const size_t had = head_.size();
    head_.append(bytes);
    const size_t end = head_.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    if (head_.compare(0, 12, "HTTP/1.1 200") != 0) return Broken("answered " + head_.substr(0, 40));
    bytes.remove_prefix(end + 4 - had);
    in_body_ = true;
    return true;
  }

  // Counts whole stamps; keeps what may be the beginning of one, or of [DONE].
  void TakeStamps() {
    const int64_t now = NowNs();
    recorder_.OnMessage();
    const size_t last = body_.rfind(kStampMark);
    const bool cut = last != std::string::npos && body_.size() - last < kStampBytes;
    const size_t whole = cut ? last : body_.size();
    recorder_.OnText(std::string_view(body_).substr(0, whole), progress_, now);
    // Shorter than a stamp, so that none is counted twice.
    body_.erase(0, cut ? last : body_.size() - std::min(body_.size(), kStampBytes - 1));
  }

  Recorder& recorder_;
  const int fd_;
  std::string head_;
  bool in_body_ = false;
  bool broken_ = false;
  Dechunker dechunker_;
  std::string body_;
  StreamProgress progress_;
};

// The loop over all streams.
class HttpLoad {
 public:
  HttpLoad(const LoadPlan& plan, Recorder& recorder)
      : plan_(plan), recorder_(recorder), request_(RequestOf(plan, plan.answer)), epoll_(epoll_create1(0)) {}
  ~HttpLoad() { close(epoll_); }

  void Run() {
    WarmUp();
    recorder_.Begin();
    for (;;) {
      const int64_t now = NowNs();
      recorder_.Tick(now);
      StartDue(now);
      if (started_ == streams_.size() && open_ == 0) return;
      Wait(now);
    }
  }

 private:
  // A connection and a call for every stream: what connecting costs is not
  // asked.
  void WarmUp() {
    const std::string request = RequestOf(plan_, AnswerScript{});
    for (int i = 0; i < plan_.streams; ++i) {
      streams_.push_back(std::make_unique<Stream>(plan_, recorder_));
      streams_.back()->Start(request);
      epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
      epoll_ctl(epoll_, EPOLL_CTL_ADD, streams_.back()->fd(), &event);
      do {
        epoll_wait(epoll_, &event, 1, 1000);
      } while (streams_.back()->OnReadable(false));
      event = {.events = EPOLLIN, .data = {.ptr = streams_.back().get()}};
      epoll_ctl(epoll_, EPOLL_CTL_MOD, streams_.back()->fd(), &event);
    }
  }

  void StartDue(int64_t now) {
    while (started_ < streams_.size() && recorder_.StartOf(static_cast<int>(started_)) <= now) {
      streams_[started_++]->Start(request_);
      ++open_;
    }
  }

  void Wait(int64_t now) {
    int64_t wake = recorder_.next_ns();
    if (started_ < streams_.size()) wake = std::min(wake, recorder_.StartOf(static_cast<int>(started_)));
    const int64_t sleep = std::max<int64_t>(wake - now, 0);
    const timespec timeout{sleep / 1'000'000'000, sleep % 1'000'000'000};
    std::array<epoll_event, 256> events;
    const int count = epoll_pwait2(epoll_, events.data(), events.size(), &timeout, nullptr);
    for (int i = 0; i < count; ++i) {
      auto* stream = static_cast<Stream*>(events[i].data.ptr);
      if (stream->OnReadable(true)) continue;
      if (!stream->broken() && plan_.repeat && recorder_.running()) {
        stream->Start(request_);
        continue;
      }
      --open_;
      epoll_ctl(epoll_, EPOLL_CTL_DEL, stream->fd(), nullptr);
    }
  }

  const LoadPlan& plan_;
  Recorder& recorder_;
  const std::string request_;
  const int epoll_;
  std::vector<std::unique_ptr<Stream>> streams_;
  size_t started_ = 0;
  int open_ = 0;
};

}  // namespace

void RunHttpLoad(const LoadPlan& plan, Recorder& recorder) { HttpLoad(plan, recorder).Run(); }

}  // namespace sluice::bench
