#include "tests/bench/upstream.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <utility>

#include "tests/bench/stamp.h"

namespace sluice::bench {
namespace {

// More than any prompt of a benchmark.
constexpr size_t kMaxRequest = 4 << 20;
// Calls whose second attempt never came, of a gateway that does not retry.
constexpr size_t kMaxFailedOnce = 1 << 20;

// To health checks.
constexpr std::string_view kWell = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
constexpr std::string_view kBadRequest = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
constexpr std::string_view kOverloaded =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 56\r\n\r\n"
    R"({"error":{"message":"overloaded","type":"server_error"}})";

[[noreturn]] void Die(const std::string& what) {
  std::cerr << "bench_upstream: " << what << ": " << std::strerror(errno) << "\n";
  std::exit(1);
}

}  // namespace

struct Upstream::Connection {
  Connection(int fd, uint64_t id, SSL_CTX* tls) : id(id), socket(fd, tls, ByteStream::Side::kServer) {}

  uint64_t id;  // tells this owner of the descriptor from an earlier one
  ByteStream socket;
  std::string in;
  std::string out;  // from out_at on: what the socket did not take yet
  size_t out_at = 0;
  AnswerScript script;
  uint64_t call = 0;
  bool answering = false;
  int sent_chunks = 0;
  int64_t due_ns = 0;
  bool in_turn = false;  // stands in unpaced_

  int fd() const { return socket.fd(); }
  bool all_taken() const { return out.empty(); }
};

Upstream::Upstream(UpstreamOptions options) : options_(std::move(options)), epoll_(epoll_create1(0)) {
  if (!options_.tls_cert.empty()) tls_ = TlsForServer(options_.tls_cert, options_.tls_key);
  if (!options_.closed_file.empty()) {
    closed_fd_ = open(options_.closed_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (closed_fd_ < 0) Die("cannot write " + options_.closed_file);
  }
  for (const int port : options_.ports) Listen(port);
}

Upstream::~Upstream() = default;

void Upstream::Listen(int port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) Die("cannot bind");
  if (listen(listener, 4096) != 0) Die("cannot listen");
  socklen_t size = sizeof(address);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  ports_.push_back(ntohs(address.sin_port));
  listeners_.insert(listener);
  epoll_event event{.events = EPOLLIN, .data = {.fd = listener}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, listener, &event);
}

bool Upstream::Timed(const Connection& connection) const {
  return connection.script.interval_us > 0 || options_.first_us > 0;
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

void Upstream::Accept(int listener) {
  for (;;) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    connections_[fd] = std::make_unique<Connection>(fd, ++next_id_, tls_.get());
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.fd = fd}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
}

void Upstream::OnReady(int fd, uint32_t events) {
  if (listeners_.count(fd) != 0) return Accept(fd);
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
    const ssize_t got = connection.socket.Read(buffer.data(), buffer.size());
    if (got > 0) {
      connection.in.append(buffer.data(), static_cast<size_t>(got));
      if (connection.in.size() <= kMaxRequest) continue;
    } else if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
      return true;
    }
    Close(connection.fd());
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
  // Its buffer may move with the next read, and is not needed for the answer.
  const std::string request = connection.in.substr(0, whole);
  connection.in.erase(0, whole);
  Answer(connection, request);
}

void Upstream::Answer(Connection& connection, std::string_view request) {
  const auto script = FindScript(request);
  if (!script) {
    connection.out += request.substr(0, 4) == "GET " ? kWell : kBadRequest;
    Flush(connection);
    return;
  }
  connection.script = *script;
  connection.call = script->numbered() ? FindCall(request) : 0;
  if (Fails(connection)) {
    connection.out += kOverloaded;
    Flush(connection);
    return;
  }
  Begin(connection);
}

bool Upstream::Fails(const Connection& connection) {
  if (!connection.script.fails_once || failed_once_.erase(connection.call) == 1) return false;
  if (failed_once_.size() >= kMaxFailedOnce) failed_once_.clear();
  failed_once_.insert(connection.call);
  return true;
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
  connection.due_ns = now + options_.first_us * 1000;
  if (Timed(connection)) due_.push({connection.due_ns, connection.fd(), connection.id});
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
  unpaced_.push_back({0, connection.fd(), connection.id});
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
    const ssize_t sent = connection.socket.Write(connection.out.data() + connection.out_at,
                                                 connection.out.size() - connection.out_at);
    if (sent < 0) {
      if (errno == EAGAIN || errno == EINTR) return true;
      Close(connection.fd());
      return false;
    }
    connection.out_at += static_cast<size_t>(sent);
  }
  connection.out.clear();
  connection.out_at = 0;
  return true;
}

void Upstream::Close(int fd) {
  const Connection& connection = *connections_.at(fd);
  if (closed_fd_ >= 0 && connection.answering && connection.script.notes_close) {
    const std::string note = std::to_string(connection.call) + " " + std::to_string(NowNs()) + "\n";
    if (write(closed_fd_, note.data(), note.size()) < 0) Die("cannot write " + options_.closed_file);
  }
  connections_.erase(fd);
}

Upstream::Connection* Upstream::Find(int fd, uint64_t id) {
  auto found = connections_.find(fd);
  return found == connections_.end() || found->second->id != id ? nullptr : found->second.get();
}

}  // namespace sluice::bench
