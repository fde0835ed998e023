#include "proto/terminal/safe_stream.h"

#include "proto/terminal/safe_text.h"

namespace sluice {

bool SafeBuffer::Drain(size_t size) {
  if (size > 0) {
    sink_ << SafeText(std::string_view(pending_).substr(0, size));
    pending_.erase(0, size);
  }
  return sink_.good();
}

bool SafeBuffer::Raw(std::string_view text) {
  if (!Drain(pending_.size())) return false;
  sink_ << text;
  return sink_.good();
}

std::streamsize SafeBuffer::xsputn(const char* text, std::streamsize size) {
  pending_.append(text, static_cast<size_t>(size));
  const size_t line = pending_.rfind('\n');
  if (line != std::string::npos && !Drain(line + 1)) return 0;
  return size;
}

SafeBuffer::int_type SafeBuffer::overflow(int_type c) {
  if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
  const char one = traits_type::to_char_type(c);
  return xsputn(&one, 1) == 1 ? c : traits_type::eof();
}

int SafeBuffer::sync() {
  if (!Drain(pending_.size())) return -1;
  sink_.flush();
  return sink_.good() ? 0 : -1;
}

void WriteRaw(std::ostream& out, std::string_view text) {
  auto* safe = dynamic_cast<SafeBuffer*>(out.rdbuf());
  if (safe == nullptr) {
    out << text;
  } else if (!safe->Raw(text)) {
    out.setstate(std::ios::badbit);
  }
}

}  // namespace sluice
