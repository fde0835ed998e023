#include "proto/log/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>

namespace sluice {
namespace {

class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe2(ends_.data(), O_CLOEXEC), 0); }
  ~Pipe() {
    CloseReader();
    close(ends_[1]);
  }
  int writer() const { return ends_[1]; }
  void CloseReader() {
    if (ends_[0] >= 0) close(ends_[0]);
    ends_[0] = -1;
  }
  void Fill() {
    const int flags = fcntl(writer(), F_GETFL);
    fcntl(writer(), F_SETFL, flags | O_NONBLOCK);
    const std::string page(4096, 'x');
    while (write(writer(), page.data(), page.size()) > 0) filled_ += page.size();
    fcntl(writer(), F_SETFL, flags);
  }
  size_t filled() const { return filled_; }
  std::string Read(size_t bytes) {
    std::string text(bytes, '\0');
    size_t got = 0;
    while (got < bytes) {
      const ssize_t n = read(ends_[0], text.data() + got, bytes - got);
      if (n <= 0) break;
      got += static_cast<size_t>(n);
    }
    return text.substr(0, got);
  }

 private:
  std::array<int, 2> ends_{};
  size_t filled_ = 0;
};

TEST(OutputTest, AFullDiskTakesNothing) {
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(full, 0);
  EXPECT_EQ(WriteAll(full, "line\n"), 0u);
  EXPECT_FALSE(PrintWithin(full, "line\n"));
  close(full);
}

TEST(OutputTest, APipeWithoutAReaderTakesNothing) {
  signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  pipe.CloseReader();
  EXPECT_EQ(WriteAll(pipe.writer(), "line\n"), 0u);
}

TEST(OutputTest, ADescriptorThatIsClosedTakesNothing) { EXPECT_EQ(WriteAll(-1, "line\n"), 0u); }

TEST(OutputTest, WaitsForAFullPipeAlsoWhereSomebodyMadeItNotBlock) {
  for (bool nonblocking : {false, true}) {
    Pipe pipe;
    pipe.Fill();
    if (nonblocking) fcntl(pipe.writer(), F_SETFL, fcntl(pipe.writer(), F_GETFL) | O_NONBLOCK);
    std::thread reader([&] { pipe.Read(pipe.filled()); });
    EXPECT_EQ(WriteAll(pipe.writer(), "line\n"), 5u);
    reader.join();
    EXPECT_EQ(pipe.Read(5), "line\n");
  }
}

TEST(OutputTest, GivesUpOnAPipeThatNobodyReads) {
  // Its thread goes on waiting.
  static auto& pipe = *new Pipe;
  pipe.Fill();
  EXPECT_FALSE(PrintWithin(pipe.writer(), "line\n", absl::Milliseconds(20)));
  pipe.Read(pipe.filled());
  EXPECT_EQ(pipe.Read(5), "line\n");
}

TEST(OutputTest, PrintsWhatIsTaken) {
  Pipe pipe;
  EXPECT_TRUE(PrintWithin(pipe.writer(), "line\n"));
  EXPECT_EQ(pipe.Read(5), "line\n");
}

}  // namespace
}  // namespace sluice
