// A stream that lets nothing raw through: whatever a program prints, text of
// others in it included, is made safe on its way, so that no command can forget
// to. Colours and the like go past it by Raw(), which no text can imitate. One
// thread.
#ifndef SLUICE_PROTO_TERMINAL_SAFE_STREAM_H_
#define SLUICE_PROTO_TERMINAL_SAFE_STREAM_H_

#include <ostream>
#include <streambuf>
#include <string>
#include <string_view>

namespace sluice {

class SafeBuffer final : public std::streambuf {
 public:
  explicit SafeBuffer(std::ostream& sink) : sink_(sink) {}
  ~SafeBuffer() override { Drain(pending_.size()); }

  bool Raw(std::string_view text);

 protected:
  std::streamsize xsputn(const char* text, std::streamsize size) override;
  int_type overflow(int_type c) override;
  int sync() override;

 private:
  // False: the sink takes nothing more.
  bool Drain(size_t size);

  std::ostream& sink_;
  // Of a line that is not at its end: a character may come in pieces.
  std::string pending_;
};

class SafeStream final : public std::ostream {
 public:
  // `sink` outlives it.
  explicit SafeStream(std::ostream& sink) : std::ostream(nullptr), buffer_(sink) { rdbuf(&buffer_); }

 private:
  SafeBuffer buffer_;
};

// Past the filter where `out` has one: for what the program itself says to a
// terminal, never for text that came from elsewhere.
void WriteRaw(std::ostream& out, std::string_view text);

}  // namespace sluice

#endif  // SLUICE_PROTO_TERMINAL_SAFE_STREAM_H_
