// Response heads that are clear to read though they break the grammar: bare line
// feeds, no reason phrase, two lengths, odd names. Pure; any thread.
//
// A server that lets such heads through to others could be smuggled past; a
// client that closes the connection after the response cannot, for nothing more
// is read from it. So: whatever was repaired is never followed by another
// request.
#ifndef SLUICE_SERVER_UPSTREAM_HEAD_REPAIR_H_
#define SLUICE_SERVER_UPSTREAM_HEAD_REPAIR_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sluice {

// Whether more bytes could make a head of these: empty lines, then "HTTP/1.".
bool BeginsLikeHead(std::string_view bytes);

// The bytes up to and with the empty line that ends a head, its lines ended by
// LF or CRLF; npos: it is not whole.
size_t FindHeadEnd(std::string_view bytes);

struct RepairedHead {
  std::string bytes;    // as RFC 9112 has it; empty if it cannot be
  std::string problem;  // why not; empty: the parser's own words will do
};

// Of a whole head. Transfer-Encoding overrides Content-Length (RFC 9112, 6.3);
// lengths that contradict each other stay, to be refused. Lines that are no
// field are left out.
RepairedHead RepairHead(std::string_view head);

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_HEAD_REPAIR_H_
