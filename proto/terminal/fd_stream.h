// Standard output that tells why it could not be written; std::cout only knows
// that it could not. One thread.
#ifndef SLUICE_PROTO_TERMINAL_FD_STREAM_H_
#define SLUICE_PROTO_TERMINAL_FD_STREAM_H_

#include <ostream>
#include <streambuf>
#include <string>

namespace sluice {

class FdBuffer final : public std::streambuf {
 public:
  explicit FdBuffer(int fd) : fd_(fd) {}
  ~FdBuffer() override { sync(); }

  // errno of the first write that failed; 0: none did.
  int error() const { return error_; }

 protected:
  std::streamsize xsputn(const char* text, std::streamsize size) override;
  int_type overflow(int_type c) override;
  int sync() override;

 private:
  const int fd_;
  int error_ = 0;
  std::string pending_;
};

class FdStream final : public std::ostream {
 public:
  explicit FdStream(int fd) : std::ostream(nullptr), buffer_(fd) { rdbuf(&buffer_); }

 private:
  FdBuffer buffer_;
};

// errno of the write that failed; 0: none did, or `out` is no FdStream.
int WriteErrorOf(const std::ostream& out);

// For main(), before anything is opened: standard streams that the caller closed
// are put where writing and reading fail, so that no socket takes their place.
void OpenStandardStreams();

}  // namespace sluice

#endif  // SLUICE_PROTO_TERMINAL_FD_STREAM_H_
