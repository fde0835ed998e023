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

  // `max_event_bytes` bounds a line, and the data of one event: what is held
  // is at most twice that.
  explicit SseParser(size_t max_event_bytes) : max_(max_event_bytes) {}

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
  bool AppendData(std::string_view value);
  LineResult Dispatch();
  std::string_view data() const { return data_is_view_ ? data_view_ : std::string_view(data_); }

  const size_t max_;
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
  std::string type_;
  std::string id_;
  std::optional<int64_t> retry_ms_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_SSE_PARSER_H_
