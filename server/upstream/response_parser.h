// One HTTP/1.1 response, pulled event by event out of the bytes that arrived.
// Pure: no socket, no time. Body pieces are views into the input. Keeps Boost
// out of everybody else's sight.
#ifndef SLUICE_SERVER_UPSTREAM_RESPONSE_PARSER_H_
#define SLUICE_SERVER_UPSTREAM_RESPONSE_PARSER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "server/upstream/http_transport.h"

namespace sluice {

class ResponseParser {
 public:
  enum class Event {
    kNeedMore,  // what is left of the input belongs in front of what comes next
    kHead,
    kBody,
    kEnd,
    kError,
  };

  // `max_head_bytes` bounds the head, and any line between two chunks.
  // `no_body`: the answer to a HEAD request.
  ResponseParser(size_t max_head_bytes, bool no_body);
  ~ResponseParser();

  // Takes the next event from the front of `input`. 1xx responses are skipped.
  // Not after kEnd or kError.
  Event Next(std::string_view& input);
  // The connection was closed, with nothing left to parse: kEnd if that is how
  // the body ends, else kError.
  Event Close();

  // After kHead, until the next call.
  const HttpHead& head() const;
  // After kBody; as long as the input.
  std::string_view body() const;
  // After kEnd: the connection may carry another request.
  bool keep_alive() const;
  // After kError; for people.
  const std::string& error() const { return error_; }
  // Whether any byte of a final response was seen.
  bool head_seen() const;

 private:
  class Machine;

  Event Fail(std::string message);

  const size_t max_head_bytes_;
  const bool no_body_;
  std::unique_ptr<Machine> machine_;
  std::string error_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_RESPONSE_PARSER_H_
