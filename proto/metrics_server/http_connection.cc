#include "proto/metrics_server/http_connection.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <chrono>
#include <string_view>
#include <utility>

namespace sluice {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr uint32_t kMaxHead = 8 << 10;
// For a caller to read the answer to a request that was not read to its end.
constexpr std::chrono::seconds kLinger(2);

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

std::chrono::nanoseconds Nanos(absl::Duration duration) { return absl::ToChronoNanoseconds(duration); }

}  // namespace

HttpConnection::HttpConnection(asio::ip::tcp::socket socket, const HttpTimeouts& timeouts, const HttpHandler& handler,
                               Watcher watcher)
    : stream_(std::move(socket)), timeouts_(timeouts), handler_(handler), watcher_(std::move(watcher)) {
  Error ignored;
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
}

void HttpConnection::Start() { ReadHead(timeouts_.head); }

void HttpConnection::Close() {
  if (std::exchange(closed_, true)) return;
  const auto self = shared_from_this();
  stream_.close();
  watcher_.closed(*this);
}

void HttpConnection::Enter(State state) {
  state_ = state;
  watcher_.changed(*this);
}

// The limit is for all of it: who sends a byte now and then gains nothing.
void HttpConnection::ReadHead(absl::Duration limit) {
  Enter(State::kSilent);
  parser_.emplace();
  head_only_ = false;
  parser_->header_limit(kMaxHead);
  stream_.expires_after(Nanos(limit));
  http::async_read_header(stream_, buffer_, *parser_,
                          [self = shared_from_this()](Error error, size_t) { self->OnHead(error); });
}

void HttpConnection::OnHead(Error error) {
  if (closed_) return;
  if (error) return Refuse(error);
  stream_.expires_never();
  const auto& request = parser_->get();
  head_only_ = request.method() == http::verb::head;
  // A body is not read, so nothing can follow it.
  const bool keep_alive = request.keep_alive() && parser_->is_done();
  const HttpQuery query{std::string(View(request.method_string())), PathOf(View(request.target())),
                        AcceptsGzip(View(request[http::field::accept_encoding]))};
  Enter(State::kServed);
  // The answer comes from any thread, perhaps long after the caller has left.
  handler_(query, [weak = weak_from_this(), executor = stream_.get_executor(), keep_alive](HttpAnswer answer) {
    asio::post(executor, [weak, keep_alive, answer = std::move(answer)]() mutable {
      if (const auto self = weak.lock()) self->Answer(std::move(answer), keep_alive);
    });
  });
}

// Timeouts and callers that left get no answer.
void HttpConnection::Refuse(Error error) {
  if (error.category() != http::make_error_code(http::error::end_of_stream).category() ||
      error == http::error::end_of_stream || error == http::error::partial_message) {
    return Close();
  }
  const bool large = error == http::error::header_limit || error == http::error::buffer_overflow;
  if (large) return Answer({431, "the request's head is larger than 8 KiB\n"}, false);
  Answer({400, "this is no HTTP request\n"}, false);
}

void HttpConnection::Answer(HttpAnswer answer, bool keep_alive) {
  if (closed_) return;
  Enter(State::kWriting);
  keep_alive_ = keep_alive;
  head_ = HeadOf(answer, keep_alive);
  body_ = head_only_ ? std::string() : std::move(answer.body);
  stream_.expires_after(Nanos(timeouts_.write));
  const std::array<asio::const_buffer, 2> parts{asio::buffer(head_), asio::buffer(body_)};
  asio::async_write(stream_, parts, [self = shared_from_this()](Error error, size_t) { self->OnWritten(error); });
}

void HttpConnection::OnWritten(Error error) {
  if (closed_) return;
  if (error) return Close();
  body_ = {};
  if (keep_alive_) return ReadHead(timeouts_.idle);
  // To close with bytes unread would reset the connection, and the answer with it.
  Error ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  Enter(State::kSilent);
  stream_.expires_after(kLinger);
  Linger();
}

void HttpConnection::Linger() {
  buffer_.clear();
  stream_.async_read_some(buffer_.prepare(4096), [self = shared_from_this()](Error error, size_t) {
    if (self->closed_) return;
    if (error) return self->Close();
    self->Linger();
  });
}

}  // namespace sluice
