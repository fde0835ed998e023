// One HTTP/1.1 response, pulled event by event out of the bytes that arrived. A
// head that breaks the grammar but is clear is repaired (head_repair.h).
// Pure: no socket, no time. Body pieces are views into the input. Keeps Boost
// out of everybody else's sight.
#ifndef SLUICE_SERVER_UPSTREAM_RESPONSE_PARSER_H_
#define SLUICE_SERVER_UPSTREAM_RESPONSE_PARSER_H_

#include <cstddef>
#include <memory>
#include <optional>
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
  // After kHead: it tells of a content coding.
  bool encoded() const;
  // After kEnd: the connection may carry another request. Never after a head of
  // odd framing: where its body ends is our reading, and could be another's.
  bool keep_alive() const;
  // After kError; for people.
  const std::string& error() const { return error_; }
  // Whether any byte of a final response was seen.
  bool head_seen() const;

 private:
  class Machine;

  Event Fail(std::string message);
  // One step of the machine in a head, or of the repair of one that it refused.
  // None: it gave nothing yet, but can go on.
  std::optional<Event> StepInHead(std::string_view& input);
  std::optional<Event> Repair(std::string_view& input);
  std::optional<Event> TakeHead();

  const size_t max_head_bytes_;
  const bool no_body_;
  std::unique_ptr<Machine> machine_;
  // Of a head that comes in pieces: what the machine has taken, should it have to
  // be read again.
  std::string head_bytes_;
  bool repairing_ = false;  // head_bytes_ waits for the rest of its head
  bool odd_ = false;
  std::string error_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_RESPONSE_PARSER_H_
