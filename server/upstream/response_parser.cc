#include "server/upstream/response_parser.h"

// Beast asserts that a final chunk that came in two pieces is at least five
// bytes long; "0\r\n" + "\r" is four, and parsed rightly without the assertion.
#define BOOST_DISABLE_ASSERTS
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <cstddef>
#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/upstream/head_repair.h"

namespace sluice {
namespace {

namespace http = boost::beast::http;
using BeastError = boost::beast::error_code;
using BeastView = boost::beast::string_view;

constexpr int kSwitchingProtocols = 101;

// All names and values in one string: a head is one or two allocations.
class ParsedHead : public HttpHead {
 public:
  int status() const override { return status_; }

  std::string_view header(std::string_view name) const override {
    const BeastView wanted(name.data(), name.size());
    for (const Field& field : fields_) {
      const char* begin = text_.data() + field.begin;
      if (boost::beast::iequals(BeastView(begin, field.name_size), wanted)) {
        return {begin + field.name_size, field.value_size};
      }
    }
    return {};
  }

  void set_status(int status) { status_ = status; }

  void Add(BeastView name, BeastView value) {
    if (fields_.empty()) Reserve();
    fields_.push_back(Field{static_cast<uint32_t>(text_.size()),
                            static_cast<uint32_t>(name.size()),
                            static_cast<uint32_t>(value.size())});
    text_.append(name.data(), name.size());
    text_.append(value.data(), value.size());
  }

  size_t bytes() const { return text_.size() + 4 * fields_.size(); }

  // An open stream needs its head no longer.
  void Clear() {
    if (text_.empty()) return;
    // Assigning empty ones would keep the memory.
    std::string().swap(text_);
    std::vector<Field>().swap(fields_);
  }

 private:
  // What providers send, mostly.
  void Reserve() {
    text_.reserve(1024);
    fields_.reserve(16);
  }

  struct Field {
    uint32_t begin;
    uint32_t name_size;
    uint32_t value_size;
  };
  int status_ = 0;
  std::string text_;
  std::vector<Field> fields_;
};

}  // namespace

// Not eager: each put parses one element, so that the caller gets events and
// Beast is not on the stack while an observer runs.
class ResponseParser::Machine : public http::basic_parser<false> {
 public:
  Machine(size_t max_head_bytes, bool no_body) : max_head_bytes_(max_head_bytes) {
    header_limit(static_cast<uint32_t>(max_head_bytes));
    // A stream has no size; what is held at once is bounded elsewhere. Not
    // boost::none, which refuses every Content-Length (Boost 1.74).
    body_limit(std::numeric_limits<std::uint64_t>::max());
    skip(no_body);
  }

  // Parses one element; what it yielded replaces what the last one did.
  size_t Step(std::string_view input, BeastError& error) {
    head_ready_ = false;
    body_ = {};
    return put({input.data(), input.size()}, error);
  }
  bool head_ready() const { return head_ready_; }
  std::string_view body() const { return body_; }
  bool http11() const { return http11_; }
  bool encoded() const { return encoded_; }
  // The same one twice is well understood, but no sign of health.
  bool one_length() const { return lengths_ <= 1; }

  ParsedHead head_;

 private:
  void on_request_impl(http::verb, BeastView, BeastView, int, BeastError&) override {}

  void on_response_impl(int code, BeastView, int version, BeastError&) override {
    head_.set_status(code);
    http11_ = version >= 11;
  }

  void on_field_impl(http::field field, BeastView name, BeastView value, BeastError& error) override {
    // A trailer comes after the head was told and has no reader.
    if (head_done_) return;
    if (field == http::field::content_encoding) encoded_ = true;
    if (field == http::field::content_length) lengths_ += 1 + std::count(value.begin(), value.end(), ',');
    // Beast takes "chunked, chunked" for a body that ends with the connection.
    if (field == http::field::transfer_encoding && !boost::beast::iequals(value, "chunked")) {
      error = http::error::bad_transfer_encoding;
    }
    head_.Add(name, value);
    // Beast applies its limit to what it has not consumed yet, so that fields
    // which arrive one by one would never reach it.
    if (head_.bytes() > max_head_bytes_) error = http::error::header_limit;
  }

  void on_header_impl(BeastError&) override { head_ready_ = head_done_ = true; }

  void on_body_init_impl(const boost::optional<std::uint64_t>&, BeastError&) override {}

  std::size_t on_body_impl(BeastView body, BeastError&) override {
    body_ = {body.data(), body.size()};
    return body.size();
  }

  void on_chunk_header_impl(std::uint64_t, BeastView, BeastError&) override {}

  std::size_t on_chunk_body_impl(std::uint64_t, BeastView body, BeastError&) override {
    body_ = {body.data(), body.size()};
    return body.size();
  }

  void on_finish_impl(BeastError&) override {}

  const size_t max_head_bytes_;
  std::string_view body_;
  bool head_ready_ = false;
  bool head_done_ = false;
  bool http11_ = false;
  bool encoded_ = false;
  std::ptrdiff_t lengths_ = 0;
};

ResponseParser::ResponseParser(size_t max_head_bytes, bool no_body)
    : max_head_bytes_(max_head_bytes),
      no_body_(no_body),
      machine_(std::make_unique<Machine>(max_head_bytes, no_body)) {}

ResponseParser::~ResponseParser() = default;

namespace {

std::string Describe(const BeastError& error, size_t max_head_bytes) {
  if (error == http::error::header_limit) {
    return absl::StrCat("the response head is larger than ", max_head_bytes, " bytes");
  }
  if (error == http::error::need_more) {
    return absl::StrCat("a line of the response is longer than ", max_head_bytes, " bytes");
  }
  if (error == http::error::bad_version) return "the response is not HTTP/1.1";
  return absl::StrCat("malformed HTTP response: ", error.message());
}

// `taken` is what the machine has of a head, `rest` what it did not take.
bool WantsRepair(const BeastError& error, const std::string& taken, std::string_view rest) {
  if (!error || error == http::error::header_limit) return false;
  if (taken.empty() && !BeginsLikeHead(rest)) return false;
  if (error != http::error::need_more) return true;
  // The machine waits for CRLF: for a head that ended otherwise it would wait
  // for ever.
  const size_t kept = std::min<size_t>(taken.size(), 3);
  return FindHeadEnd(taken.substr(taken.size() - kept) + std::string(rest)) != std::string::npos;
}

}  // namespace

ResponseParser::Event ResponseParser::Next(std::string_view& input) {
  for (;;) {
    if (machine_->is_done()) return Event::kEnd;
    const bool in_head = !machine_->is_header_done();
    if (!in_head) machine_->head_.Clear();
    if (input.empty()) return Event::kNeedMore;
    if (in_head) {
      const std::optional<Event> event = repairing_ ? Repair(input) : StepInHead(input);
      if (event) return *event;
      continue;
    }
    BeastError error;
    const size_t used = machine_->Step(input, error);
    input.remove_prefix(used);
    if (error == http::error::need_more && input.size() <= max_head_bytes_) return Event::kNeedMore;
    if (error) return Fail(Describe(error, max_head_bytes_));
    if (!machine_->body().empty()) return Event::kBody;
  }
}

std::optional<ResponseParser::Event> ResponseParser::StepInHead(std::string_view& input) {
  const std::string_view before = input;
  BeastError error;
  const size_t used = machine_->Step(input, error);
  input.remove_prefix(used);
  if (!error) return TakeHead();
  head_bytes_.append(before.substr(0, used));
  if (!WantsRepair(error, head_bytes_, input)) {
    const bool more = error == http::error::need_more && input.size() <= max_head_bytes_;
    return more ? Event::kNeedMore : Fail(Describe(error, max_head_bytes_));
  }
  repairing_ = odd_ = true;
  if (error != http::error::need_more) error_ = Describe(error, max_head_bytes_);
  return std::nullopt;
}

std::optional<ResponseParser::Event> ResponseParser::Repair(std::string_view& input) {
  head_bytes_.append(input);
  const size_t end = FindHeadEnd(head_bytes_);
  const size_t left = end == std::string::npos ? 0 : std::min(head_bytes_.size() - end, input.size());
  input.remove_prefix(input.size() - left);
  if (std::min(end, head_bytes_.size()) > max_head_bytes_) {
    return Fail(Describe(http::error::header_limit, max_head_bytes_));
  }
  if (end == std::string::npos) return Event::kNeedMore;
  const RepairedHead repaired = RepairHead(std::string_view(head_bytes_).substr(0, end));
  if (!repaired.problem.empty()) return Fail(repaired.problem);
  BeastError error;
  machine_ = std::make_unique<Machine>(max_head_bytes_, no_body_);
  if (!repaired.bytes.empty()) machine_->Step(repaired.bytes, error);
  if (!machine_->head_ready()) return Fail(error_.empty() ? "malformed HTTP response: bad line ending" : error_);
  repairing_ = false;
  return TakeHead();
}

std::optional<ResponseParser::Event> ResponseParser::TakeHead() {
  // Not for an open stream to keep.
  std::string().swap(head_bytes_);
  odd_ = odd_ || !machine_->one_length();
  const int status = machine_->head_.status();
  if (status == kSwitchingProtocols) return Fail("the upstream switched protocols unasked");
  if (status / 100 != 1) return Event::kHead;
  machine_ = std::make_unique<Machine>(max_head_bytes_, no_body_);
  return std::nullopt;
}

ResponseParser::Event ResponseParser::Close() {
  if (!machine_->is_header_done()) return Fail("closed before the response");
  BeastError error;
  machine_->put_eof(error);
  return error ? Fail("closed in the middle of the response") : Event::kEnd;
}

const HttpHead& ResponseParser::head() const { return machine_->head_; }

std::string_view ResponseParser::body() const { return machine_->body(); }

bool ResponseParser::encoded() const { return machine_->encoded(); }

bool ResponseParser::keep_alive() const { return !odd_ && machine_->http11() && machine_->keep_alive(); }

bool ResponseParser::head_seen() const { return machine_->is_header_done(); }

ResponseParser::Event ResponseParser::Fail(std::string message) {
  error_ = std::move(message);
  return Event::kError;
}

}  // namespace sluice
