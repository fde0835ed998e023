// Server-sent events by the WHATWG standard ("9.2.6 Interpreting an event
// stream"), fed in any split of bytes. A pull parser: Feed bytes, then take
// events with Next until it wants more. Used by the decoders, on whatever
// thread owns them; no I/O.
//
// An event that lies within one fed buffer and has one data line is a view
// into that buffer; else its bytes are gathered in buffers that are kept and
// used again, so nothing is allocated per event in steady state.
#ifndef SLUICE_SERVER_CODEC_SSE_PARSER_H_
#define SLUICE_SERVER_CODEC_SSE_PARSER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/codec/json_balance.h"

namespace sluice {

struct SseEvent {
  std::string_view type;  // empty: "message"
  std::string_view data;
  std::string_view id;    // the last one seen, also of earlier events
};

class SseParser {
 public:
  enum class Result {
    kEvent,     // `event` is set, valid until the next call
    kMore,      // everything fed is consumed
    kTooLarge,  // a line or an event's data is over the bound; stays so
  };

  enum class Documents {
    // As the standard has it.
    kByTheStandard,
    // For servers that leave out what the standard asks for: a JSON object that is
    // whole is an event, though another "data:" follows without a blank line, and
    // a line that begins with '{' is data without its name.
    kEachIsAnEvent,
  };

  // `max_event_bytes` bounds a line, and the data of one event: what is held
  // is at most twice that.
  explicit SseParser(size_t max_event_bytes, Documents documents = Documents::kByTheStandard)
      : max_(max_event_bytes), documents_(documents) {}

  // `bytes` must live until Next gives kMore.
  void Feed(std::string_view bytes);
  // The stream ended. A last line without its end and a last event without
  // its blank line still count: providers leave them out.
  void Finish() { finished_ = true; }
  Result Next(SseEvent& event);

  // The server's wish for reconnecting; we never reconnect a stream.
  std::optional<int64_t> retry_ms() const { return retry_ms_; }

 private:
  enum class LineResult { kNone, kEvent, kTooLarge };

  void SkipByteOrderMark();
  // Takes the next whole line out of the input; nullopt if there is none.
  std::optional<std::string_view> TakeLine();
  // Keeps the beginning of a line, and of an event, over to the next buffer.
  // False if the line is too long already.
  bool CarryOver();
  LineResult OnLine(std::string_view line);
  LineResult OnField(std::string_view name, std::string_view value);
  LineResult OnData(std::string_view value);
  LineResult OnBareDocument(std::string_view line);
  bool AppendData(std::string_view value);
  // What is gathered is an event of its own, for `next` begins another.
  bool DataIsWhole(std::string_view next);
  void TakeNextData();
  void TakeLateType();
  LineResult Dispatch();
  std::string_view data() const { return data_is_view_ ? data_view_ : std::string_view(data_); }

  const size_t max_;
  const Documents documents_;
  std::string_view input_;
  size_t pos_ = 0;
  size_t line_feed_ = 0;  // the first '\n' at or after pos_, or npos; see TakeLine
  bool line_feed_known_ = false;

  int bom_matched_ = 0;  // bytes of the byte order mark; -1: past it
  bool skip_line_feed_ = false;
  bool finished_ = false;
  bool too_large_ = false;
  bool clear_type_ = false;

  std::string line_;       // the beginning of a line from earlier buffers
  bool line_taken_ = false;  // line_ was handed out and is to be cleared
  std::string data_;
  std::string_view data_view_;
  bool data_is_view_ = false;
  bool has_data_ = false;
  // Data that came behind that of an event which was whole: it begins the next.
  std::string next_data_;
  bool has_next_data_ = false;
  // A type that came behind the data: of its event, or of the next one.
  std::string late_type_;
  bool has_late_type_ = false;
  JsonBalance balance_;  // of data(), from its second line on
  bool balanced_ = false;
  std::string type_;
  std::string id_;
  std::optional<int64_t> retry_ms_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_SSE_PARSER_H_
