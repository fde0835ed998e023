#include "tests/support/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace sluice {
namespace {

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

int BindLoopback() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(0);
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    throw std::runtime_error("cannot bind a loopback port");
  }
  return fd;
}

uint16_t PortOf(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

SSL_CTX* NewTls(const ScriptedTls& tls) {
  if (tls.certificate_file.empty()) return nullptr;
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(context, tls.certificate_file.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, tls.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    throw std::runtime_error("cannot use the certificate " + tls.certificate_file);
  }
  return context;
}

size_t ContentLength(const std::string& head) {
  const std::string name = "Content-Length: ";
  const size_t at = head.find(name);
  return at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + name.size(), nullptr, 10);
}

}  // namespace

uint16_t UnusedPort() {
  const int fd = BindLoopback();
  const uint16_t port = PortOf(fd);
  close(fd);
  return port;
}

ScriptedPeer::ScriptedPeer(ScriptedServer& server, int fd, SSL* ssl)
    : server_(server), fd_(fd), ssl_(ssl) {}

ScriptedPeer::~ScriptedPeer() { Close(); }

int ScriptedPeer::ReadSome(char* buffer, size_t size) {
  if (fd_ < 0) return 0;
  return ssl_ != nullptr ? SSL_read(ssl_, buffer, static_cast<int>(size))
                         : static_cast<int>(recv(fd_, buffer, size, 0));
}

bool ScriptedPeer::ReadRequest() {
  char buffer[16 * 1024];
  for (;;) {
    const size_t end = unread_.find("\r\n\r\n");
    if (end != std::string::npos) {
      const size_t whole = end + 4 + ContentLength(unread_.substr(0, end + 4));
      if (unread_.size() >= whole) {
        std::lock_guard lock(server_.mutex_);
        server_.last_request_ = unread_.substr(0, whole);
        unread_.erase(0, whole);
        ++server_.requests_;
        return true;
      }
    }
    const int got = ReadSome(buffer, sizeof(buffer));
    if (got <= 0) {
      ++server_.closed_by_client_;
      return false;
    }
    unread_.append(buffer, got);
  }
}

bool ScriptedPeer::Write(const std::string& bytes) {
  size_t done = 0;
  while (fd_ >= 0 && done < bytes.size()) {
    const int sent = ssl_ != nullptr
                         ? SSL_write(ssl_, bytes.data() + done, static_cast<int>(bytes.size() - done))
                         : static_cast<int>(send(fd_, bytes.data() + done, bytes.size() - done,
                                                 MSG_NOSIGNAL));
    if (sent <= 0) {
      ++server_.closed_by_client_;
      return false;
    }
    done += sent;
    server_.bytes_written_ += sent;
  }
  return true;
}

void ScriptedPeer::AwaitClose() {
  char buffer[4096];
  while (ReadSome(buffer, sizeof(buffer)) > 0) {
  }
  if (!server_.stopping_) ++server_.closed_by_client_;
}

void ScriptedPeer::Reset() {
  const linger hard{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  if (ssl_ != nullptr) SSL_set_quiet_shutdown(ssl_, 1);
  Close();
}

void ScriptedPeer::Close() {
  if (fd_ < 0) return;
  if (ssl_ != nullptr) {
    SSL_shutdown(ssl_);
    SSL_free(ssl_);
    ssl_ = nullptr;
  }
  server_.Unregister(fd_);
  close(std::exchange(fd_, -1));
}

ScriptStep ReadRequest() {
  return [](ScriptedPeer& peer) { return peer.ReadRequest(); };
}

ScriptStep Write(std::string bytes) {
  return [bytes = std::move(bytes)](ScriptedPeer& peer) { return peer.Write(bytes); };
}

ScriptStep Respond(std::string bytes) {
  return [bytes = std::move(bytes)](ScriptedPeer& peer) {
    return peer.ReadRequest() && peer.Write(bytes);
  };
}

ScriptStep RespondForever(std::string bytes) {
  return [bytes = std::move(bytes)](ScriptedPeer& peer) {
    while (peer.ReadRequest() && peer.Write(bytes)) {
    }
    return false;
  };
}

ScriptStep Trickle(std::string bytes) {
  return [bytes = std::move(bytes)](ScriptedPeer& peer) {
    for (const char byte : bytes) {
      if (!peer.Write(std::string(1, byte))) return false;
      std::this_thread::yield();
    }
    return true;
  };
}

ScriptStep AwaitClose() {
  return [](ScriptedPeer& peer) {
    peer.AwaitClose();
    return false;
  };
}

ScriptStep CloseNow() {
  return [](ScriptedPeer& peer) {
    peer.Close();
    return false;
  };
}

ScriptStep ResetNow() {
  return [](ScriptedPeer& peer) {
    peer.Reset();
    return false;
  };
}

ScriptStep AwaitRelease() {
  return [](ScriptedPeer& peer) { return peer.server().WaitForRelease(); };
}

ScriptStep Flood(std::string head, size_t limit) {
  return [head = std::move(head), limit](ScriptedPeer& peer) {
    const std::string piece(64 * 1024, 'x');
    if (!peer.ReadRequest() || !peer.Write(head)) return false;
    for (size_t sent = 0; sent < limit; sent += piece.size()) {
      if (!peer.Write(piece)) return false;
    }
    return true;
  };
}

ScriptedServer::ScriptedServer(std::vector<Script> scripts, ScriptedTls tls)
    : scripts_(std::move(scripts)), tls_(NewTls(tls)), listener_(BindLoopback()) {
  signal(SIGPIPE, SIG_IGN);
  port_ = PortOf(listener_);
  listen(listener_, 1024);
  acceptor_ = std::thread([this] { Accept(); });
}

ScriptedServer::~ScriptedServer() {
  stopping_ = true;
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  {
    std::lock_guard lock(mutex_);
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
    released_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  close(listener_);
  SSL_CTX_free(tls_);
}

void ScriptedServer::Accept() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    const size_t number = connections_++;
    Register(fd);
    const Script& script = scripts_[std::min(number, scripts_.size() - 1)];
    threads_.emplace_back([this, fd, &script] { Serve(fd, script); });
  }
}

void ScriptedServer::Serve(int fd, const Script& script) {
  SSL* ssl = nullptr;
  if (tls_ != nullptr) {
    ssl = SSL_new(tls_);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) != 1) {
      SSL_free(ssl);
      Unregister(fd);
      close(fd);
      return;
    }
    if (SSL_session_reused(ssl)) ++resumed_;
  }
  ScriptedPeer peer(*this, fd, ssl);
  for (const ScriptStep& step : script) {
    if (!step(peer)) return;
  }
}

void ScriptedServer::Register(int fd) {
  std::lock_guard lock(mutex_);
  open_.push_back(fd);
}

void ScriptedServer::Unregister(int fd) {
  std::lock_guard lock(mutex_);
  open_.erase(std::remove(open_.begin(), open_.end(), fd), open_.end());
}

std::string ScriptedServer::last_request() const {
  std::lock_guard lock(mutex_);
  return last_request_;
}

void ScriptedServer::Release() {
  std::lock_guard lock(mutex_);
  ++releases_;
  released_.notify_one();
}

bool ScriptedServer::WaitForRelease() {
  std::unique_lock lock(mutex_);
  released_.wait(lock, [this] { return releases_ > 0 || stopping_; });
  if (stopping_) return false;
  --releases_;
  return true;
}

bool ScriptedServer::Eventually(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace sluice
