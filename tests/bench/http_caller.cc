#include "tests/bench/http_caller.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "tests/bench/stamp.h"

namespace sluice::bench {
namespace {

// Slow gateways answer their first call after seconds.
constexpr int kWarmUpTimeoutMs = 30000;

}  // namespace

std::string HttpRequestOf(const LoadPlan& plan, const Call& call) {
  const std::string body = R"({"model":")" + ModelOf(plan, call.answer) +
                           R"(","stream":true,"messages":[{"role":"user","content":")" +
                           Prompt(call.answer, call.number, plan.prompt_bytes) + R"("}]})";
  std::string head = "POST " + plan.path + " HTTP/1.1\r\nHost: " + plan.host + ":" + std::to_string(plan.port) + "\r\n";
  for (const std::string& header : plan.headers) head += header + "\r\n";
  return head + "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

HttpCaller::HttpCaller(size_t index, const LoadPlan& plan, const std::string& request, SSL_CTX* tls, int epoll,
                       Recorder& recorder)
    : Caller(index), plan_(plan), request_(request), tls_(tls), epoll_(epoll), recorder_(recorder) {}

void HttpCaller::Connect() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(plan_.port));
  inet_pton(AF_INET, plan_.host.c_str(), &address.sin_addr);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  // Room for a whole request, so that this one thread need not wait for the subject.
  const int room = static_cast<int>(plan_.prompt_bytes) + (64 << 10);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    recorder_.OnError(std::string("connect: ") + std::strerror(errno));
  }
  socket_.emplace(fd, tls_, ByteStream::Side::kClient);
  epoll_event event{.events = EPOLLIN, .data = {.ptr = this}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
}

bool HttpCaller::WarmUp() {
  Connect();
  Send(HttpRequestOf(plan_, {}));
  Progress progress = Progress::kOpen;
  while (progress == Progress::kOpen) {
    pollfd readable{socket_->fd(), POLLIN, 0};
    if (socket_->HasPending() || poll(&readable, 1, kWarmUpTimeoutMs) == 1) {
      progress = Take(false);
    } else {
      recorder_.OnError("no answer to a warm-up call");
      return false;
    }
  }
  return progress == Progress::kDone;
}

void HttpCaller::Start(const Call& call) {
  if (!socket_) Connect();
  const bool numbered = call.answer.numbered();
  const std::string own = numbered ? HttpRequestOf(plan_, call) : "";
  progress_.Start(NowNs());
  Send(numbered ? own : request_);
}

void HttpCaller::Send(const std::string& request) {
  head_.clear();
  in_body_ = false;
  body_.clear();
  dechunker_.Reset();
  in_call_ = true;
  if (!socket_->WriteAll(request)) recorder_.OnError(std::string("send: ") + std::strerror(errno));
}

bool HttpCaller::Cancel() {
  in_call_ = false;
  socket_.reset();
  return true;
}

bool HttpCaller::OnReadable() {
  if (!socket_) return true;  // given up within the same turn
  if (!in_call_) {
    // A server may close a connection between two calls.
    socket_.reset();
    return true;
  }
  Progress progress = Take(true);
  while (progress == Progress::kOpen && socket_->HasPending()) progress = Take(true);
  if (progress == Progress::kDone) recorder_.OnEnd(progress_);
  return progress == Progress::kOpen;
}

HttpCaller::Progress HttpCaller::Take(bool count) {
  static std::array<char, 64 << 10> buffer;
  const ssize_t got = socket_->Read(buffer.data(), buffer.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Progress::kOpen;
  if (got <= 0) return Failed("the connection was closed in the middle of an answer");
  std::string_view bytes(buffer.data(), static_cast<size_t>(got));
  if (!in_body_ && !TakeHead(bytes)) return Progress::kOpen;
  if (head_.compare(0, 12, "HTTP/1.1 200") != 0) return Failed("answered " + head_.substr(0, 40));
  const bool over = dechunker_.Feed(bytes, body_);
  if (count) TakeStamps();
  if (!over) return Progress::kOpen;
  return body_.find("[DONE]") == std::string::npos ? Failed("an answer without [DONE]") : Done();
}

HttpCaller::Progress HttpCaller::Done() {
  in_call_ = false;
  if (head_.find("onnection: close") != std::string::npos) socket_.reset();
  return Progress::kDone;
}

// What is left of the answer goes with the connection.
HttpCaller::Progress HttpCaller::Failed(std::string what) {
  recorder_.OnFailed(std::move(what));
  in_call_ = false;
  socket_.reset();
  return Progress::kFailed;
}

bool HttpCaller::TakeHead(std::string_view& bytes) {
  const size_t had = head_.size();
  head_.append(bytes);
  const size_t end = head_.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  bytes.remove_prefix(end + 4 - had);
  in_body_ = true;
  return true;
}

// Counts whole stamps; keeps what may be the beginning of one, or of [DONE].
void HttpCaller::TakeStamps() {
  const int64_t now = NowNs();
  recorder_.OnMessage();
  const size_t last = body_.rfind(kStampMark);
  const bool cut = last != std::string::npos && body_.size() - last < kStampBytes;
  const size_t whole = cut ? last : body_.size();
  recorder_.OnText(std::string_view(body_).substr(0, whole), progress_, now);
  // Shorter than a stamp, so that none is counted twice.
  body_.erase(0, cut ? last : body_.size() - std::min(body_.size(), kStampBytes - 1));
}

}  // namespace sluice::bench
