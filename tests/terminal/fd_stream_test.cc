#include "proto/terminal/fd_stream.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "gtest/gtest.h"

namespace sluice {
namespace {

TEST(FdStreamTest, WritesWhenItIsFlushed) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  FdStream out(ends[1]);
  out << "a" << 1 << "\n" << std::flush;
  char got[8];
  ASSERT_EQ(read(ends[0], got, sizeof got), 3);
  EXPECT_EQ(std::string(got, 3), "a1\n");
  EXPECT_EQ(WriteErrorOf(out), 0);
  close(ends[0]);
  close(ends[1]);
}

TEST(FdStreamTest, KnowsThatTheDiskIsFull) {
  const int full = open("/dev/full", O_WRONLY);
  ASSERT_GE(full, 0);
  FdStream out(full);
  out << "a\n" << std::flush;
  EXPECT_FALSE(out.good());
  EXPECT_EQ(WriteErrorOf(out), ENOSPC);
  close(full);
}

TEST(FdStreamTest, KnowsThatNobodyReads) {
  signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  FdStream out(ends[1]);
  out << "a\n" << std::flush;
  EXPECT_EQ(WriteErrorOf(out), EPIPE);
  close(ends[1]);
}

TEST(FdStreamTest, WaitsWhereTheOtherEndWouldNotBlock) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  const size_t more_than_a_pipe_holds = 1 << 20;
  const pid_t reader = fork();
  if (reader == 0) {
    // As slow as the other process may be, all of it comes.
    fcntl(ends[0], F_SETFL, 0);
    close(ends[1]);
    size_t got = 0;
    char buffer[4096];
    for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) got += static_cast<size_t>(n);
    _exit(got == more_than_a_pipe_holds ? 0 : 1);
  }
  close(ends[0]);
  {
    FdStream out(ends[1]);
    out << std::string(more_than_a_pipe_holds, 'x') << std::flush;
    EXPECT_TRUE(out.good());
  }
  close(ends[1]);
  int status = 0;
  ASSERT_EQ(waitpid(reader, &status, 0), reader);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// In a process of its own, whose standard output is closed.
TEST(StandardStreamsTest, NothingTakesThePlaceOfAClosedOne) {
  const pid_t child = fork();
  if (child == 0) {
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    OpenStandardStreams();
    const int next = open("/dev/null", O_WRONLY);
    FdStream out(STDOUT_FILENO);
    out << "a" << std::flush;
    char c;
    const bool reads_nothing = read(STDIN_FILENO, &c, 1) < 0;
    _exit(next > STDERR_FILENO && WriteErrorOf(out) == EBADF && reads_nothing ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace sluice
