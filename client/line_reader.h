// Lines of a file descriptor, where Ctrl-C ends the wait without ending the
// input: std::getline cannot tell the two apart. One thread.
#ifndef SLUICE_CLIENT_LINE_READER_H_
#define SLUICE_CLIENT_LINE_READER_H_

#include <string>

namespace sluice {

class LineReader {
 public:
  // A pasted document is fine, an endless line is not.
  static constexpr size_t kMaxLine = 1 << 20;

  enum class Outcome { kLine, kEnd, kInterrupted, kTooLong };

  explicit LineReader(int fd) : fd_(fd) {}

  // `line` comes without its line break.
  Outcome Next(std::string& line);

 private:
  const int fd_;
  std::string pending_;
  bool ended_ = false;
};

}  // namespace sluice

#endif  // SLUICE_CLIENT_LINE_READER_H_
