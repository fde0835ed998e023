// bench_upstream: an LLM upstream for benchmarks: one thread, epoll, and as
// little work a chunk as can be, so that it takes no time from the gateway
// under test. The request says how it is to be answered (script.h).
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <memory>
#include <queue>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/bench/answer.h"
#include "tests/bench/script.h"
#include "tests/bench/stamp.h"

namespace sluice::bench {
namespace {

// More than any prompt of a benchmark.
constexpr size_t kMaxRequest = 4 << 20;

[[noreturn]] void Die(const std::string& what) {
  std::cerr << "bench_upstream: " << what << ": " << std::strerror(errno) << "\n";
  std::exit(1);
}

struct Connection {
  int fd = -1;
  uint64_t id = 0;  // tells this owner of the descriptor from an earlier one
  std::string in;
  std::string out;  // from out_at on: what the socket did not take yet
  size_t out_at = 0;
  AnswerScript script;
  bool answering = false;
  int sent_chunks = 0;
  int64_t due_ns = 0;
  bool in_turn = false;  // stands in unpaced_

  bool all_taken() const { return out.empty(); }
};

class Upstream {
 public:
  // `first_us`: a model's time to its first chunk; not of merged answers.
  Upstream(int port, int64_t first_us);
  int port() const { return port_; }
  [[noreturn]] void Run();

 private:
  struct Due {
    int64_t when_ns;
    int fd;
    uint64_t id;
    bool operator>(const Due& other) const { return when_ns > other.when_ns; }
  };

  void Accept();
  void OnReady(int fd, uint32_t events);
  bool Read(Connection& connection);
  void TakeRequest(Connection& connection);
  void Begin(Connection& connection);
  void SendDue(int64_t now_ns);
  // One chunk of every answer that is not paced, in turn.
  void SendUnpaced();
  void AddUnpaced(Connection& connection);
  bool SendNext(Connection& connection, int64_t now_ns);
  // False when the connection is gone.
  bool Flush(Connection& connection);
  void Close(int fd);
  Connection* Find(int fd, uint64_t id);
  int64_t SleepNs() const;
  // Its chunks come by the clock.
  bool Timed(const Connection& connection) const { return connection.script.interval_us > 0 || first_us_ > 0; }

  const AnswerText text_;
  int listener_;
  int epoll_;
  const int64_t first_us_;
  int port_ = 0;
  uint64_t next_id_ = 0;
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::vector<Due> unpaced_;
  std::vector<Due> turn_;
};

Upstream::Upstream(int port, int64_t first_us)
    : listener_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)), epoll_(epoll_create1(0)), first_us_(first_us) {
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) Die("cannot bind");
  if (listen(listener_, 4096) != 0) Die("cannot listen");
  socklen_t size = sizeof(address);
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  epoll_event event{.events = EPOLLIN, .data = {.fd = listener_}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event);
}

void Upstream::Run() {
  std::array<epoll_event, 256> events;
  for (;;) {
    const int64_t sleep_ns = SleepNs();
    const timespec timeout{sleep_ns / 1'000'000'000, sleep_ns % 1'000'000'000};
    const int count = epoll_pwait2(epoll_, events.data(), events.size(), sleep_ns < 0 ? nullptr : &timeout, nullptr);
    if (count < 0 && errno != EINTR) Die("epoll_pwait2");
    for (int i = 0; i < count; ++i) OnReady(events[i].data.fd, events[i].events);
    SendDue(NowNs());
    SendUnpaced();
  }
}

int64_t Upstream::SleepNs() const {
  if (!unpaced_.empty()) return 0;
  if (due_.empty()) return -1;
  return std::max<int64_t>(due_.top().when_ns - NowNs(), 0);
}

void Upstream::Accept() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    auto connection = std::make_unique<Connection>();
    connection->fd = fd;
    connection->id = ++next_id_;
    connections_[fd] = std::move(connection);
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.fd = fd}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
}

void Upstream::OnReady(int fd, uint32_t events) {
  if (fd == listener_) return Accept();
  auto found = connections_.find(fd);
  if (found == connections_.end()) return;
  Connection& connection = *found->second;
  if ((events & EPOLLOUT) && !Flush(connection)) return;
  AddUnpaced(connection);
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
    if (Read(connection)) TakeRequest(connection);
  }
}

bool Upstream::Read(Connection& connection) {
  static std::array<char, 64 << 10> buffer;
  for (;;) {
    const ssize_t got = recv(connection.fd, buffer.data(), buffer.size(), 0);
    if (got > 0) {
      connection.in.append(buffer.data(), static_cast<size_t>(got));
      if (connection.in.size() <= kMaxRequest) continue;
    } else if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
      return true;
    }
    Close(connection.fd);
    return false;
  }
}

void Upstream::TakeRequest(Connection& connection) {
  if (connection.answering) return;
  const size_t head_end = connection.in.find("\r\n\r\n");
  if (head_end == std::string::npos) return;
  std::string head = connection.in.substr(0, head_end);
  std::transform(head.begin(), head.end(), head.begin(), [](unsigned char c) { return std::tolower(c); });
  const size_t length_at = head.find("content-length:");
  const size_t length = length_at == std::string::npos ? 0 : std::strtoull(head.c_str() + length_at + 15, nullptr, 10);
  const size_t whole = head_end + 4 + length;
  if (connection.in.size() < whole) return;
  const auto script = FindScript(std::string_view(connection.in).substr(0, whole));
  connection.in.erase(0, whole);
  if (!script) {
    connection.out += "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    Flush(connection);
    return;
  }
  connection.script = *script;
  Begin(connection);
}

void Upstream::Begin(Connection& connection) {
  connection.answering = true;
  connection.sent_chunks = 0;
  connection.out += text_.begin();
  const int64_t now = NowNs();
  if (connection.script.merged) {
    for (int i = 0; i < connection.script.chunks; ++i) text_.AppendChunk(now, connection.out);
    connection.out += text_.end();
    connection.answering = false;
    Flush(connection);
    return;
  }
  if (!Flush(connection)) return;
  connection.due_ns = now + first_us_ * 1000;
  if (Timed(connection)) due_.push({connection.due_ns, connection.fd, connection.id});
  AddUnpaced(connection);
}

void Upstream::SendDue(int64_t now_ns) {
  while (!due_.empty() && due_.top().when_ns <= now_ns) {
    const Due due = due_.top();
    due_.pop();
    Connection* connection = Find(due.fd, due.id);
    if (connection == nullptr || !SendNext(*connection, NowNs()) || !connection->answering) continue;
    // From the last due time, not from now: a late chunk does not delay the rest.
    connection->due_ns += connection->script.interval_us * 1000;
    due_.push({connection->due_ns, due.fd, due.id});
  }
}

void Upstream::AddUnpaced(Connection& connection) {
  if (connection.in_turn || !connection.answering || Timed(connection)) return;
  // Full: the socket tells when it has room.
  if (!connection.all_taken()) return;
  connection.in_turn = true;
  unpaced_.push_back({0, connection.fd, connection.id});
}

void Upstream::SendUnpaced() {
  turn_.swap(unpaced_);
  for (const Due& due : turn_) {
    Connection* connection = Find(due.fd, due.id);
    if (connection == nullptr) continue;
    connection->in_turn = false;
    if (SendNext(*connection, NowNs())) AddUnpaced(*connection);
  }
  turn_.clear();
}

bool Upstream::SendNext(Connection& connection, int64_t now_ns) {
  text_.AppendChunk(now_ns, connection.out);
  if (++connection.sent_chunks == connection.script.chunks) {
    // A provider's last chunk and its end come apart.
    if (!Flush(connection)) return false;
    connection.out += text_.end();
    connection.answering = false;
  }
  return Flush(connection);
}

bool Upstream::Flush(Connection& connection) {
  while (connection.out_at < connection.out.size()) {
    const ssize_t sent = send(connection.fd, connection.out.data() + connection.out_at,
                              connection.out.size() - connection.out_at, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EAGAIN || errno == EINTR) return true;
      Close(connection.fd);
      return false;
    }
    connection.out_at += static_cast<size_t>(sent);
  }
  connection.out.clear();
  connection.out_at = 0;
  return true;
}

void Upstream::Close(int fd) {
  close(fd);
  connections_.erase(fd);
}

Connection* Upstream::Find(int fd, uint64_t id) {
  auto found = connections_.find(fd);
  return found == connections_.end() || found->second->id != id ? nullptr : found->second.get();
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  CLI::App app("bench_upstream: an LLM upstream for benchmarks; prints its address");
  int port = 0;
  int64_t first_us = 0;
  app.add_option("--port", port, "Port on loopback; 0 takes a free one");
  app.add_option("--first-us", first_us, "From the request to the first chunk, of answers that are not merged")
      ->check(CLI::Range(int64_t{0}, int64_t{60'000'000}));
  CLI11_PARSE(app, argc, argv);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  sluice::bench::Upstream upstream(port, first_us);
  std::cout << "listening on 127.0.0.1:" << upstream.port() << std::endl;
  upstream.Run();
}
