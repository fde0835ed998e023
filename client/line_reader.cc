#include "client/line_reader.h"

#include <unistd.h>

#include <cerrno>

namespace sluice {

LineReader::Outcome LineReader::Next(std::string& line) {
  while (true) {
    const size_t end = pending_.find('\n');
    if (end != std::string::npos) {
      line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return Outcome::kLine;
    }
    if (ended_) {
      line = std::move(pending_);
      pending_.clear();
      return line.empty() ? Outcome::kEnd : Outcome::kLine;
    }
    if (pending_.size() > kMaxLine) {
      pending_.clear();
      return Outcome::kTooLong;
    }
    char buffer[4096];
    const ssize_t got = read(fd_, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) {
      // As in a shell: what was typed so far is dropped.
      pending_.clear();
      return Outcome::kInterrupted;
    }
    if (got <= 0) {
      ended_ = true;
    } else {
      pending_.append(buffer, got);
    }
  }
}

}  // namespace sluice
