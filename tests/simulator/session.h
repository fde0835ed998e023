// One connection of the simulator: reads requests, answers each, well or not.
// `Stream` is a plain or a TLS socket. The simulator's thread only.
#ifndef SLUICE_TESTS_SIMULATOR_SESSION_H_
#define SLUICE_TESTS_SIMULATOR_SESSION_H_

#include <sys/socket.h>

#include <utility>

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>
#include <type_traits>

#include "tests/simulator/decision.h"
#include "tests/simulator/embeddings.h"
#include "tests/simulator/operation.h"
#include "tests/simulator/state.h"

namespace sluice::simulator {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using TlsStream = asio::ssl::stream<tcp::socket>;

template <class Stream>
class Session final : public Connection, public std::enable_shared_from_this<Session<Stream>> {
 public:
  Session(Stream stream, State& state)
      : stream_(std::move(stream)), state_(state), timer_(stream_.get_executor()) {
    state_.connections.insert(this);
  }
  ~Session() override { state_.connections.erase(this); }

  void Start() {
    asio::co_spawn(stream_.get_executor(), Run(this->shared_from_this()), asio::detached);
  }

  void CloseIfIdle() override {
    if (!answering_) Close(End::kReset);
  }

 private:
  static constexpr bool kIsTls = std::is_same_v<Stream, TlsStream>;
  static constexpr size_t kMaxBody = 64 << 20;

  enum class End {
    kKeep,   // the next request may come
    kClose,  // FIN
    kReset,  // RST
    kGone,   // the client closed
  };

  using Request = http::request<http::string_body>;

  // The pointer keeps the session as long as the coroutine.
  asio::awaitable<void> Run(std::shared_ptr<Session> self) {
    boost::system::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    Lowest().set_option(tcp::no_delay(true), error);
    if constexpr (kIsTls) {
      co_await stream_.async_handshake(asio::ssl::stream_base::server, token);
      if (error) co_return;
    }
    beast::flat_buffer buffer;
    End end = End::kKeep;
    while (end == End::kKeep) {
      http::request_parser<http::string_body> parser;
      parser.body_limit(kMaxBody);
      co_await http::async_read(stream_, buffer, parser, token);
      if (error) break;
      Request request = parser.release();
      answering_ = true;
      Watch();
      end = co_await Answer(request);
      StopWatching();
      answering_ = false;
      if (!request.keep_alive() && end == End::kKeep) end = End::kClose;
    }
    Close(end);
  }

  tcp::socket& Lowest() {
    if constexpr (kIsTls) {
      return stream_.next_layer();
    } else {
      return stream_;
    }
  }

  void Close(End end) {
    boost::system::error_code ignored;
    if (end == End::kReset) Lowest().set_option(asio::socket_base::linger(true, 0), ignored);
    if (end == End::kClose) Lowest().shutdown(tcp::socket::shutdown_both, ignored);
    Lowest().close(ignored);
  }

  // Notices that the client closes, also while nothing is written.
  void Watch() {
    gone_ = false;
    const uint64_t turn = ++watch_turn_;
    auto self = this->shared_from_this();
    Lowest().async_wait(tcp::socket::wait_read, [this, self, turn](boost::system::error_code error) {
      if (error || turn != watch_turn_) return;
      char byte = 0;
      const ssize_t got = ::recv(Lowest().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
      // Over TLS a close begins with a record; nothing else comes by itself.
      gone_ = got == 0 || (got < 0 && errno != EAGAIN) || (got > 0 && kIsTls);
      if (gone_) timer_.cancel();
    });
  }

  void StopWatching() {
    ++watch_turn_;
    boost::system::error_code ignored;
    Lowest().cancel(ignored);
  }

  // False if the client is gone.
  asio::awaitable<bool> Sleep(std::chrono::milliseconds time) {
    if (gone_ || time.count() == 0) co_return !gone_;
    boost::system::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    timer_.expires_after(time);
    co_await timer_.async_wait(token);
    co_return !gone_;
  }

  asio::awaitable<End> WaitUntilGone() {
    while (!gone_) co_await Sleep(std::chrono::hours(24));
    co_return End::kGone;
  }

  asio::awaitable<bool> WriteOnce(const char* data, size_t size) {
    boost::system::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    const size_t written = co_await asio::async_write(stream_, asio::const_buffer(data, size), token);
    if (counts_) state_.stats.bytes_sent += written;
    if (error) gone_ = true;
    co_return !gone_;
  }

  asio::awaitable<bool> Write(std::string bytes) {
    if (fault_.kind != Fault::Kind::kTrickle) co_return co_await WriteOnce(bytes.data(), bytes.size());
    for (const char& byte : bytes) {
      const bool written = co_await WriteOnce(&byte, 1);
      if (!written) co_return false;
      const bool there = co_await Sleep(std::chrono::milliseconds(fault_.number));
      if (!there) co_return false;
    }
    co_return true;
  }

  asio::awaitable<End> Respond(int status, std::string type, std::string body, std::string extra = "") {
    std::string bytes = "HTTP/1.1 " + std::to_string(status) + " " +
                        std::string(http::obsolete_reason(http::int_to_status(status))) + "\r\nContent-Type: " + type +
                        "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + extra + "\r\n" + body;
    const bool written = co_await Write(std::move(bytes));
    co_return written ? End::kKeep : End::kGone;
  }

  asio::awaitable<End> Answer(const Request& request) {
    const std::string path(request.target());
    const std::string method(request.method_string());
    if (path == "/stats" || path == "/stats/reset" || path == "/script" || path == "/requests") {
      co_return co_await AnswerOperator(method + " " + path, request.body());
    }
    if (method == "POST" && (path.ends_with("/chat/completions") || path.ends_with("/embeddings"))) {
      co_return co_await AnswerWork(request, path.ends_with("/embeddings"));
    }
    ++state_.stats.other_requests;
    if (method == "GET" && path.ends_with("/models")) co_return co_await AnswerModels();
    std::string error = ErrorJson(404, "no such path: " + method + " " + path);
    co_return co_await Respond(404, "application/json", std::move(error));
  }

  asio::awaitable<End> AnswerModels() {
    ++state_.stats.models_requests;
    const Fault& health = state_.options.health;
    if (health.kind == Fault::Kind::kNoHeaders) co_return co_await WaitUntilGone();
    if (health.kind == Fault::Kind::kRefuse) co_return End::kReset;
    const int status = health.kind == Fault::Kind::kStatus ? health.number : 200;
    std::string body = status < 300 ? ModelsJson(state_.options.answer.model) : ErrorJson(status, "not healthy");
    co_return co_await Respond(status, "application/json", std::move(body));
  }

  asio::awaitable<End> AnswerOperator(std::string what, const std::string& body) {
    if (counts_) {
      counts_ = false;
      state_.connections.erase(this);
      --state_.stats.connections_accepted;
    }
    int status = 200;
    std::string answer = "{}";
    if (what == "GET /stats") {
      answer = StatsJson(state_);
    } else if (what == "GET /requests") {
      answer = RequestsJson(state_);
    } else if (what == "POST /stats/reset") {
      ResetStats(state_);
    } else if (what == "POST /script") {
      const std::string problem = ApplyScript(body, state_);
      if (!problem.empty()) {
        status = 400;
        answer = ErrorJson(400, problem);
      }
    } else {
      status = 405;
      answer = ErrorJson(405, "not like that: " + what);
    }
    co_return co_await Respond(status, "application/json", std::move(answer));
  }

  // A request for a model's work: a chat or embeddings.
  struct Work {
    std::optional<ChatCall> chat;
    std::optional<EmbedCall> embed;
    std::string* marked = nullptr;  // the text that may ask for a fault

    bool parsed() const { return chat || embed; }
    const std::string& model() const { return chat ? chat->model : embed->model; }
    int prompt_tokens() const { return chat ? chat->prompt_tokens : embed->prompt_tokens; }
  };

  static void ParseWork(const Request& request, bool embeddings, Work& work, std::string& problem) {
    if (embeddings) {
      work.embed = ParseEmbedCall(request.body(), problem);
      if (work.embed && !work.embed->inputs.empty()) work.marked = &work.embed->inputs.front();
    } else {
      work.chat = ParseChatCall(request.body(), problem);
      if (work.chat) work.marked = &work.chat->prompt;
    }
  }

  static RequestEntry EntryOf(const Request& request) {
    constexpr std::string_view kBearer = "Bearer ";
    RequestEntry entry;
    entry.path = std::string(request.target());
    for (const auto& field : request) {
      std::string name(field.name_string());
      std::string value(field.value());
      if (field.name() != http::field::authorization) {
        for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        entry.headers.emplace_back(std::move(name), std::move(value));
      } else if (value.starts_with(kBearer)) {
        entry.key = value.substr(kBearer.size());
      }
    }
    return entry;
  }

  asio::awaitable<End> AnswerWork(const Request& request, bool embeddings) {
    ++state_.stats.requests;
    state_.stats.embeddings += embeddings;
    state_.stats.bytes_received += request.body().size();
    std::string problem;
    Work work;
    ParseWork(request, embeddings, work, problem);
    RequestEntry entry = EntryOf(request);
    std::optional<Fault> fault;
    if (work.parsed()) {
      const std::string wish(request["x-simulator-fault"]);
      const Arrival arrival{entry.key, wish, work.prompt_tokens()};
      std::string no_text;
      fault = DecideFault(state_, arrival, work.marked != nullptr ? *work.marked : no_text, problem);
      entry.model = work.model();
    }
    entry.fault = fault ? fault->name() : "bad-request";
    state_.CountRequest(std::move(entry));
    if (!fault) {
      std::string error = ErrorJson(400, problem);
      co_return co_await Respond(400, "application/json", std::move(error));
    }
    fault_ = *fault;
    ++state_.answers_open;
    state_.stats.answers_open_max = std::max(state_.stats.answers_open_max, state_.answers_open);
    const End end = co_await AnswerWithFault(work);
    --state_.answers_open;
    fault_ = Fault();
    if (end == End::kGone) ++state_.stats.cancelled;
    co_return end;
  }

  asio::awaitable<End> AnswerWithFault(const Work& work) {
    switch (fault_.kind) {
      case Fault::Kind::kRefuse:
        if (fault_.number > 0) state_.refuse_for(std::chrono::milliseconds(fault_.number));
        co_return End::kReset;
      case Fault::Kind::kNoHeaders:
        co_return co_await WaitUntilGone();
      case Fault::Kind::kGarbage: {
        std::string garbage("\x16\x03\x01 this is no HTTP\r\n\r\n");
        const bool written = co_await Write(std::move(garbage));
        co_return written ? End::kClose : End::kGone;
      }
      default:
        break;
    }
    const bool delayed = fault_.kind == Fault::Kind::kDelay;
    const bool there =
        co_await Sleep(delayed ? std::chrono::milliseconds(fault_.number) : state_.Draw(state_.options.first_delay));
    if (!there) co_return End::kGone;
    if (IsError()) co_return co_await AnswerError();
    if (fault_.kind == Fault::Kind::kWrongType) {
      std::string page = "<!DOCTYPE html><html><head><title>Welcome</title></head><body>Log in</body></html>";
      co_return co_await Respond(200, "text/html", std::move(page));
    }
    if (work.chat && work.chat->stream) co_return co_await AnswerStream(*work.chat);
    const bool shown = co_await Sleep(ContentDelay());
    if (!shown) co_return End::kGone;
    std::string body = work.chat ? WholeChat(*work.chat) : EmbeddingsJson(*work.embed);
    co_return co_await AnswerWhole(std::move(body));
  }

  std::chrono::milliseconds ContentDelay() {
    if (fault_.kind == Fault::Kind::kLate) return std::chrono::milliseconds(fault_.number);
    return state_.Draw(state_.options.content_delay);
  }

  bool IsError() const {
    return fault_.kind == Fault::Kind::kStatus || fault_.kind == Fault::Kind::kQuota ||
           fault_.kind == Fault::Kind::kContextLength || fault_.kind == Fault::Kind::kContentPolicy;
  }

  asio::awaitable<End> AnswerError() {
    int status = 400;
    std::string body;
    switch (fault_.kind) {
      case Fault::Kind::kQuota:
        status = 429;
        body = ErrorJson("insufficient_quota", "insufficient_quota", "You exceeded your current quota.");
        break;
      case Fault::Kind::kContextLength:
        body = ErrorJson("invalid_request_error", "context_length_exceeded",
                         "This model's maximum context length is " + std::to_string(state_.options.context_tokens) +
                             " tokens.");
        break;
      case Fault::Kind::kContentPolicy:
        body = ErrorJson("invalid_request_error", "content_policy_violation", "Refused by our policy.");
        break;
      default:
        status = fault_.number;
        body = fault_.body.empty() ? ErrorJson(status, "simulated status " + std::to_string(status)) : fault_.body;
        break;
    }
    std::string extra = fault_.pushback.Headers(std::time(nullptr));
    co_return co_await Respond(status, "application/json", std::move(body), std::move(extra));
  }

  ChatJson NewChatJson(const ChatCall& call) {
    const std::string& model = call.model.empty() ? state_.options.answer.model : call.model;
    return ChatJson("chatcmpl-" + state_.options.answer.name + "-" + std::to_string(++state_.next_id), model);
  }

  std::string WholeChat(const ChatCall& call) {
    return NewChatJson(call).Whole(call, AnswerPieces(state_.options.answer, call));
  }

  // Chunks cannot be counted in a whole answer: what happens to a stream after
  // some chunks happens to it in place of the body.
  asio::awaitable<End> AnswerWhole(std::string body) {
    if (fault_.kind == Fault::Kind::kMalformed) body.resize(body.size() / 2);
    if (fault_.kind == Fault::Kind::kErrorEvent) body = ErrorJson(500, "the model broke");
    const bool stops = fault_.kind == Fault::Kind::kCut || fault_.kind == Fault::Kind::kReset ||
                       fault_.kind == Fault::Kind::kStall || fault_.kind == Fault::Kind::kSilence;
    if (!stops) {
      const End end = co_await Respond(200, "application/json", std::move(body));
      if (end == End::kKeep && fault_.kind != Fault::Kind::kErrorEvent) ++state_.stats.completed;
      co_return end;
    }
    std::string head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
                       std::to_string(body.size()) + "\r\n\r\n" + body.substr(0, body.size() / 2);
    const bool written = co_await Write(std::move(head));
    if (!written) co_return End::kGone;
    if (fault_.kind == Fault::Kind::kCut) co_return End::kClose;
    if (fault_.kind == Fault::Kind::kReset) co_return End::kReset;
    co_return co_await WaitUntilGone();
  }

  static std::string HttpChunk(const std::string& bytes) {
    char size[20];
    std::snprintf(size, sizeof(size), "%zx\r\n", bytes.size());
    return size + bytes + "\r\n";
  }

  static std::string Event(const std::string& data) { return "data: " + data + "\n\n"; }

  // Whether the fault strikes before the piece `i` of `count`; one beyond the
  // answer strikes before its end.
  bool StrikesAt(size_t i, size_t count) const {
    switch (fault_.kind) {
      case Fault::Kind::kCut:
      case Fault::Kind::kReset:
      case Fault::Kind::kStall:
      case Fault::Kind::kMalformed:
      case Fault::Kind::kErrorEvent:
        return i == std::min<size_t>(fault_.number, count);
      default:
        return false;
    }
  }

  asio::awaitable<End> Strike() {
    if (fault_.kind == Fault::Kind::kCut) co_return End::kClose;
    if (fault_.kind == Fault::Kind::kReset) co_return End::kReset;
    if (fault_.kind == Fault::Kind::kStall) co_return co_await WaitUntilGone();
    const bool malformed = fault_.kind == Fault::Kind::kMalformed;
    std::string events = malformed ? Event("{\"choices\":[{\"index\":0,\"delta\":{\"content\":")
                                   : Event(ErrorJson(500, "the model broke")) + Event("[DONE]");
    std::string bytes = HttpChunk(events) + "0\r\n\r\n";
    const bool written = co_await Write(std::move(bytes));
    if (!written) co_return End::kGone;
    co_return malformed ? End::kClose : End::kKeep;
  }

  asio::awaitable<End> AnswerStream(const ChatCall& call) {
    std::string head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
        "Transfer-Encoding: chunked\r\n\r\n";
    if (fault_.kind == Fault::Kind::kSilence) {
      co_await Write(std::move(head));
      co_return co_await WaitUntilGone();
    }
    const ChatJson json = NewChatJson(call);
    const std::vector<std::string> pieces = AnswerPieces(state_.options.answer, call);
    std::string roles;
    for (int choice = 0; choice < call.n; ++choice) roles += Event(json.Role(choice));
    std::string first = head + HttpChunk(roles);
    bool there = co_await Write(std::move(first));
    const bool slow = fault_.kind == Fault::Kind::kSlow;
    if (there) there = co_await Sleep(ContentDelay());
    for (size_t i = 0; there && i <= pieces.size(); ++i) {
      if (StrikesAt(i, pieces.size())) co_return co_await Strike();
      if (i == pieces.size()) break;
      const auto interval = slow ? std::chrono::milliseconds(fault_.number) : state_.Draw(state_.options.interval);
      if (i > 0) there = co_await Sleep(interval);
      if (!there) break;
      std::string events;
      for (int choice = 0; choice < call.n; ++choice) events += Event(json.Piece(choice, pieces[i]));
      std::string bytes = HttpChunk(events);
      there = co_await Write(std::move(bytes));
      state_.stats.pieces_sent += there;
    }
    if (!there) co_return End::kGone;
    std::string last = LastChunk(json, call, pieces.size());
    there = co_await Write(std::move(last));
    if (there) ++state_.stats.completed;
    co_return there ? End::kKeep : End::kGone;
  }

  // In one write: a client that closes after [DONE] did not cancel.
  std::string LastChunk(const ChatJson& json, const ChatCall& call, size_t piece_count) const {
    std::string events;
    for (int choice = 0; choice < call.n; ++choice) events += Event(json.Finish(choice));
    if (call.include_usage && fault_.kind != Fault::Kind::kDropUsage) {
      events += Event(json.Usage(call.prompt_tokens, static_cast<int>(piece_count) * call.n));
    }
    if (fault_.kind != Fault::Kind::kNoDone) events += Event("[DONE]");
    return HttpChunk(events) + "0\r\n\r\n";
  }

  Stream stream_;
  State& state_;
  asio::steady_timer timer_;
  Fault fault_;
  bool answering_ = false;
  bool gone_ = false;
  bool counts_ = true;
  uint64_t watch_turn_ = 0;
};

}  // namespace sluice::simulator

#endif  // SLUICE_TESTS_SIMULATOR_SESSION_H_
