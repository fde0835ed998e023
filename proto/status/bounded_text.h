// Text that goes into statuses and records: bounded, of whole UTF-8, one line.
// Pure; both planes use it.
#ifndef SLUICE_PROTO_STATUS_BOUNDED_TEXT_H_
#define SLUICE_PROTO_STATUS_BOUNDED_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice {

// At most `max_bytes` of `text`, with "…" at the end where it was cut; never
// splits a character, shows control characters as spaces and what is not UTF-8
// as "?", for a protobuf string with it could not be read. `max_bytes` is at
// least 3, the size of "…".
std::string BoundedText(std::string_view text, size_t max_bytes);

// The longest beginning of `text` of at most `max_bytes` that splits no
// character; never empty for text that begins with a whole character of at
// most `max_bytes`.
std::string_view WholeCharacters(std::string_view text, size_t max_bytes);

// The same for a status' message: at most `max_encoded` bytes as `grpc-message`
// carries it, and without blanks at its ends, which HTTP/2 libraries take away.
// `max_encoded` is at least 9, the size of "…" there.
std::string StatusText(std::string_view text, size_t max_encoded);

// The size of `text` as `grpc-message` carries it: a byte outside of 0x20 to
// 0x7e, and "%", takes three.
size_t PercentEncodedBytes(std::string_view text);

}  // namespace sluice

#endif  // SLUICE_PROTO_STATUS_BOUNDED_TEXT_H_
