// Text that goes into statuses and records: bounded, of whole UTF-8, one line.
// Pure.
#ifndef SLUICE_SERVER_SERVICE_BOUNDED_TEXT_H_
#define SLUICE_SERVER_SERVICE_BOUNDED_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice {

// At most `max_bytes` of `text`, with "…" at the end where it was cut; never
// splits a character, and shows control characters as spaces. `max_bytes` is
// at least 3, the size of "…".
std::string BoundedText(std::string_view text, size_t max_bytes);

// The longest beginning of `text` of at most `max_bytes` that splits no
// character; never empty for text that begins with a whole character of at
// most `max_bytes`.
std::string_view WholeCharacters(std::string_view text, size_t max_bytes);

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_BOUNDED_TEXT_H_
