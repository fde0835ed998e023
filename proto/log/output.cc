#include "proto/log/output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"

namespace sluice {

size_t WriteAll(int fd, std::string_view text) {
  size_t taken = 0;
  while (taken < text.size()) {
    const ssize_t n = write(fd, text.data() + taken, text.size() - taken);
    if (n > 0) {
      taken += static_cast<size_t>(n);
    } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      // Somebody who shares it made it so.
      pollfd ready{fd, POLLOUT, 0};
      poll(&ready, 1, -1);
    } else if (n == 0 || errno != EINTR) {
      break;
    }
  }
  return taken;
}

bool PrintWithin(int fd, std::string text, absl::Duration limit) {
  struct Printing {
    std::string text;
    bool whole = false;
    absl::Notification done;
  };
  auto printing = std::make_shared<Printing>();
  printing->text = std::move(text);
  std::thread([fd, printing] {
    printing->whole = WriteAll(fd, printing->text) == printing->text.size();
    printing->done.Notify();
  }).detach();
  return printing->done.WaitForNotificationWithTimeout(limit) && printing->whole;
}

}  // namespace sluice
