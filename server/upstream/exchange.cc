#include "server/upstream/exchange.h"

#include <algorithm>
#include <utility>

#include "server/upstream/connect_error.h"
#include "server/upstream/request_head.h"
#include "server/upstream/transport_core.h"

namespace sluice {

Exchange::Exchange(TransportCore& core, HttpRequest request, HttpExchangeObserver* observer)
    : core_(&core),
      observer_(observer),
      endpoint_(std::move(request.endpoint)),
      pool_(core.FindPool(*endpoint_, true)),
      parser_(core.options.max_head_bytes, request.method == "HEAD") {
  core.exchanges.insert(this);
  request.endpoint = endpoint_;
  if (std::string error = FindRequestError(request); !error.empty()) {
    starting_ = false;
    FailLater(HttpFailure::kProtocol, "the request cannot be sent: " + error);
    return;
  }
  head_ = SerialiseRequestHead(request);
  body_ = std::move(request.body);
  request_bytes_ = head_.size() + (body_ == nullptr ? 0 : body_->size());
  Begin();
  starting_ = false;
}

Exchange::~Exchange() {
  if (destroyed_ != nullptr) *destroyed_ = true;
  if (core_ == nullptr) return;
  core_->loop.CancelTimer(turn_);
  core_->exchanges.erase(this);
  room_request_.reset();
  attempt_.reset();
  CloseConnection();
}

void Exchange::Abandon() {
  core_->loop.CancelTimer(std::exchange(turn_, 0));
  room_request_.reset();
  attempt_.reset();
  CloseConnection();
  pool_.reset();
  over_ = true;
  core_ = nullptr;
}

void Exchange::Begin() {
  lease_ = pool_->TakeIdle(this);
  if (!lease_.held()) return Connect();
  reused_ = true;
  sending_ = true;
  SendSome();
}

void Exchange::Connect() {
  reused_ = false;
  lease_ = pool_->Reserve();
  if (!lease_.held()) return AskForRoom();
  MakeConnection();
}

void Exchange::AskForRoom() {
  if (pool_->lacks_descriptor()) {
    if (AskForDescriptor()) return;
    return FailLater(HttpFailure::kNoDescriptor, pool_->RefuseForDescriptors(RefusalCause::kBudget));
  }
  if (room_requests_++ < core_->options.room_requests) {
    room_request_ = pool_->AskForRoom([this](PoolLease lease) { OnRoom(std::move(lease)); });
    if (room_request_ != nullptr) return;
  }
  FailLater(HttpFailure::kPoolFull, pool_->Refuse());
}

bool Exchange::AskForDescriptor() {
  if (room_requests_++ >= core_->options.room_requests) return false;
  room_request_ = pool_->AskForDescriptor([this](PoolLease lease) { OnRoom(std::move(lease)); });
  return room_request_ != nullptr;
}

void Exchange::OnRoom(PoolLease lease) {
  room_request_.reset();
  // Meanwhile this loop may have got an idle one, or somebody has closed one.
  if (!lease.held()) return Begin();
  lease_ = std::move(lease);
  MakeConnection();
}

void Exchange::MakeConnection() {
  ConnectStart start = core_->connector.Connect(
      endpoint_, pool_->moved_lately(), [this](ConnectResult result) { OnConnectDone(std::move(result)); });
  attempt_ = std::move(start.attempt);
  if (start.connection != nullptr) OnConnection(std::move(start.connection));
}

void Exchange::OnConnectDone(ConnectResult result) {
  attempt_.reset();
  if (result.no_descriptor) {
    lease_.Close();
    if (AskForDescriptor()) return;
    return Fail(HttpFailure::kNoDescriptor, pool_->RefuseForDescriptors(RefusalCause::kSystem));
  }
  if (result.connection == nullptr) {
    PoolCounters::Add(pool_->counters().connect_failures);
    return Fail(HttpFailure::kConnect, result.error);
  }
  OnConnection(std::move(result.connection));
}

void Exchange::OnConnection(std::unique_ptr<Connection> connection) {
  PoolCounters::Add(pool_->counters().connects);
  lease_.set_connection(std::move(connection));
  sending_ = true;
  SendSome();
}

void Exchange::Defer() {
  if (turn_ != 0) return;
  turn_ = core_->loop.StartTimer(core_->loop.Now(), [this] { OnTurn(); });
}

void Exchange::OnTurn() {
  turn_ = 0;
  if (!early_error_.empty()) return Fail(early_failure_, std::string(early_error_));
  if (lease_.connection() == nullptr) return;
  if (!paused_ && ParseStash()) ReadSome();
}

void Exchange::FailLater(HttpFailure failure, std::string message) {
  early_failure_ = failure;
  early_error_ = std::move(message);
  Defer();
}

void Exchange::Pause() {
  if (over_ || paused_) return;
  paused_ = true;
  if (sending_) UpdateWatch();
}

void Exchange::Resume() {
  if (over_ || !paused_) return;
  paused_ = false;
  if (!sending_) return;
  UpdateWatch();
  // Bytes may wait in the stash or inside TLS, where the socket tells nothing.
  Defer();
}

void Exchange::OnReady(bool readable, bool writable) {
  if (writable && !request_sent() && !send_broken_ && !SendSome()) return;
  if (readable && !paused_ && lease_.connection() != nullptr) ReadSome();
}

IoResult Exchange::SendRest() {
  const std::string_view head(head_);
  const std::string_view body = body_ == nullptr ? std::string_view() : std::string_view(*body_);
  const size_t in_head = std::min(sent_, head.size());
  return lease_.connection()->Send(head.substr(in_head), body.substr(sent_ - in_head));
}

bool Exchange::SendSome() {
  while (!request_sent()) {
    const IoResult result = SendRest();
    if (result.kind == IoResult::Kind::kAgain) break;
    if (result.kind != IoResult::Kind::kDone) return OnSendBroken();
    sent_ += result.bytes;
    if (!Announce()) return false;
  }
  if (request_sent()) ForgetRequest();
  UpdateWatch();
  return true;
}

bool Exchange::Announce() {
  if (announced_) return true;
  announced_ = true;
  if (reused_) PoolCounters::Add(pool_->counters().reuses);
  if (starting_) return true;
  return Tell([this] { observer_->OnConnected(reused_); });
}

bool Exchange::OnSendBroken() {
  if (sent_ == 0 && reused_ && !replaced_) {
    // The upstream cannot have seen anything of it.
    PoolCounters::Add(pool_->counters().dead);
    core_->loop.Unwatch(lease_.connection()->fd());
    // Its place is kept: another call could have taken it meanwhile.
    lease_.set_connection(nullptr);
    replaced_ = true;
    sending_ = false;
    reused_ = false;
    MakeConnection();
    return false;
  }
  // It may have refused the request with an answer before it closed.
  send_broken_ = true;
  UpdateWatch();
  return true;
}

void Exchange::ForgetRequest() {
  // Assigning an empty string would keep the memory.
  std::string().swap(head_);
  body_.reset();
  // request_sent() stays true.
}

bool Exchange::ReadSome() {
  Connection& connection = *lease_.connection();
  size_t budget = core_->options.read_bytes_per_turn;
  while (budget > 0) {
    const IoResult result = connection.Receive(core_->receive_buffer(), budget);
    if (result.kind == IoResult::Kind::kAgain) return true;
    if (result.kind == IoResult::Kind::kClosed) {
      OnPeerClosed();
      return false;
    }
    if (result.kind == IoResult::Kind::kBroken) {
      Fail(HttpFailure::kReset, PeerMessage("broke: " + DescribeErrno(result.error)));
      return false;
    }
    // Less than was asked for: the socket is empty, and will tell of more.
    const bool drained = !connection.buffers() && result.bytes < budget;
    if (!ParseReceived(result.bytes)) return false;
    if (drained) return true;
    budget -= result.bytes;
  }
  // The others first. What TLS holds back the socket will not tell of.
  if (connection.buffers()) Defer();
  return true;
}

bool Exchange::ParseReceived(size_t size) {
  char* received = core_->receive_buffer();
  const size_t left = stash_.size();
  if (left > TransportCore::kLeftRoom) {
    stash_.append(received, size);
    return ParseStash();
  }
  // Joined in place: nothing is allocated per chunk.
  stash_.copy(received - left, left);
  stash_.clear();
  return Parse({received - left, left + size});
}

bool Exchange::ParseStash() {
  // Outlives this, should an observer end it.
  const std::string bytes = std::exchange(stash_, {});
  return Parse(bytes);
}

bool Exchange::Parse(std::string_view input) {
  using Event = ResponseParser::Event;
  if (decoder_ != nullptr && !TellDecoded()) return false;
  while (!paused_) {
    bool go_on = true;
    switch (parser_.Next(input)) {
      case Event::kNeedMore:
        stash_.assign(input);
        return true;
      case Event::kHead:
        go_on = TellHead();
        break;
      case Event::kBody:
        go_on = decoder_ == nullptr ? Tell([this] { observer_->OnBody(parser_.body()); }) : TellCoded();
        break;
      case Event::kEnd:
        Complete(input.empty());
        return false;
      case Event::kError:
        return Refuse(parser_.error());
    }
    if (!go_on) return false;
  }
  stash_.assign(input);
  return false;
}

void Exchange::OnPeerClosed() {
  if (parser_.Close() == ResponseParser::Event::kEnd) return Complete(false);
  Fail(HttpFailure::kReset, PeerMessage("was " + parser_.error()));
}

void Exchange::UpdateWatch() {
  const int fd = lease_.connection()->fd();
  const bool writable = !request_sent() && !send_broken_;
  if (paused_ && !writable) return core_->loop.Unwatch(fd);
  core_->loop.Watch(fd, !paused_, writable, this);
}

void Exchange::CloseConnection() {
  if (lease_.connection() != nullptr) core_->loop.Unwatch(lease_.connection()->fd());
  lease_.Close();
}

void Exchange::Complete(bool clean) {
  over_ = true;
  // Before the observer hears of it: its next request can have the connection.
  if (clean && request_sent() && parser_.keep_alive()) {
    lease_.Keep();
  } else {
    CloseConnection();
  }
  observer_->OnEnd();
}

void Exchange::Fail(HttpFailure failure, std::string_view message) {
  over_ = true;
  if (failure == HttpFailure::kReset) PoolCounters::Add(pool_->counters().resets);
  CloseConnection();
  observer_->OnFailure(failure, message);
}

bool Exchange::Refuse(std::string_view why) {
  Fail(HttpFailure::kProtocol, PeerMessage(": " + std::string(why)));
  return false;
}

std::string Exchange::PeerMessage(std::string_view what) const {
  std::string text = "the connection to " + HostAndPort(endpoint_->host, endpoint_->port);
  if (what.substr(0, 1) != ":") text += ' ';
  text += what;
  if (reused_ && !parser_.head_seen()) text += " (it was reused)";
  return text;
}

}  // namespace sluice
