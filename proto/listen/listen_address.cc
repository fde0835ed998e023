#include "proto/listen/listen_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

using AddressList = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

absl::StatusOr<AddressList> LookUp(const ListenAddress& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(address.host.c_str(), absl::StrCat(address.port).c_str(), &hints, &found);
  if (code != 0) return absl::UnavailableError(code == EAI_SYSTEM ? std::strerror(errno) : gai_strerror(code));
  return AddressList(found, freeaddrinfo);
}

bool IsLoopback(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    return ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr) >> 24 == 127;
  }
  return address.sa_family == AF_INET6 &&
         IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
}

void SetPort(sockaddr& address, uint16_t port) {
  if (address.sa_family == AF_INET) reinterpret_cast<sockaddr_in&>(address).sin_port = htons(port);
  if (address.sa_family == AF_INET6) reinterpret_cast<sockaddr_in6&>(address).sin6_port = htons(port);
}

uint16_t PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

// -1 with errno: could not.
int ListenOn(const addrinfo& info, int backlog) {
  const int fd = socket(info.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int one = 1;
  // A port whose old connections still linger can be taken again at once.
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, info.ai_addr, info.ai_addrlen) == 0 && listen(fd, backlog) == 0) return fd;
  const int why = errno;
  close(fd);
  errno = why;
  return -1;
}

void CloseAll(const Listeners& listeners) {
  for (int fd : listeners.fds) close(fd);
}

}  // namespace

std::string ListenAddress::ToString() const {
  return host.find(':') == std::string::npos ? absl::StrCat(host, ":", port) : absl::StrCat("[", host, "]:", port);
}

absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view text) {
  const auto wrong = [&] {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", std::string(text), "\" is not HOST:PORT, like 127.0.0.1:8443 or [::1]:8443"));
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return wrong();
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  // An IPv6 address without brackets would lose its last part to the port.
  if (!brackets && host.find(':') != std::string_view::npos) return wrong();
  if (host.find_first_of("[], \t/") != std::string_view::npos) return wrong();
  uint32_t port = 0;
  const bool number =
      !digits.empty() && digits.size() <= 5 && digits.find_first_not_of("0123456789") == std::string_view::npos;
  if (!number || !absl::SimpleAtoi(std::string(digits), &port) || port > 65535) return wrong();
  return ListenAddress{std::string(host), static_cast<uint16_t>(port)};
}

bool IsLoopback(const ListenAddress& address) {
  absl::StatusOr<AddressList> found = LookUp(address);
  if (!found.ok()) return false;
  for (const addrinfo* info = found->get(); info != nullptr; info = info->ai_next) {
    if (!IsLoopback(*info->ai_addr)) return false;
  }
  return true;
}

absl::StatusOr<Listeners> Listen(const ListenAddress& address, int backlog) {
  const auto cannot = [&](std::string_view why) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", address.ToString(), ": ", std::string(why)));
  };
  absl::StatusOr<AddressList> found = LookUp(address);
  if (!found.ok()) return cannot(std::string(found.status().message()));
  Listeners listeners{{}, address.port};
  for (const addrinfo* info = found->get(); info != nullptr; info = info->ai_next) {
    SetPort(*info->ai_addr, listeners.port);
    const int fd = ListenOn(*info, backlog);
    if (fd < 0) {
      // "localhost" is ::1 too, also where the machine has no IPv6.
      if (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT) continue;
      const int why = errno;
      CloseAll(listeners);
      return cannot(std::strerror(why));
    }
    listeners.fds.push_back(fd);
    if (listeners.port == 0) listeners.port = PortOf(fd);
  }
  if (listeners.fds.empty()) return cannot("it is no address of this machine");
  return listeners;
}

}  // namespace sluice
