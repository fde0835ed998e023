#include "proto/terminal/safe_stream.h"

#include <sstream>

#include "gtest/gtest.h"

namespace sluice {
namespace {

TEST(SafeStreamTest, EscapesWhateverIsPrinted) {
  std::ostringstream sink;
  {
    SafeStream out(sink);
    out << "name " << "\x1b[2J" << 7 << '\x07' << "\n";
  }
  EXPECT_EQ(sink.str(), "name \\x1b[2J7\\x07\n");
}

TEST(SafeStreamTest, KeepsCharactersThatComeInPieces) {
  std::ostringstream sink;
  SafeStream out(sink);
  for (const char c : std::string("日本\n")) out.put(c);
  EXPECT_EQ(sink.str(), "日本\n");
}

TEST(SafeStreamTest, OnlyTheProgramItselfGetsPastIt) {
  std::ostringstream sink;
  SafeStream out(sink);
  out << "a ";
  WriteRaw(out, "\x1b[31m");
  out << "b\x1b[0m";
  WriteRaw(out, "\x1b[0m");
  out << std::flush;
  EXPECT_EQ(sink.str(), "a \x1b[31mb\\x1b[0m\x1b[0m");
}

TEST(SafeStreamTest, FailsWhereItsSinkFails) {
  std::ostringstream sink;
  SafeStream out(sink);
  sink.setstate(std::ios::badbit);
  out << "a" << std::flush;
  EXPECT_FALSE(out.good());
}

}  // namespace
}  // namespace sluice
