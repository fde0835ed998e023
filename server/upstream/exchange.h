// One request and its response over one connection: takes a connection from
// the pool or has one made, sends, parses, and gives the connection back.
// Loop thread only.
#ifndef SLUICE_SERVER_UPSTREAM_EXCHANGE_H_
#define SLUICE_SERVER_UPSTREAM_EXCHANGE_H_

#include <memory>
#include <string>
#include <string_view>

#include "server/runtime/loop.h"
#include "server/upstream/connector.h"
#include "server/upstream/content_decoder.h"
#include "server/upstream/http_transport.h"
#include "server/upstream/pool.h"
#include "server/upstream/response_parser.h"

namespace sluice {

class TransportCore;

class Exchange : public HttpExchange, private FdHandler {
 public:
  Exchange(TransportCore& core, HttpRequest request, HttpExchangeObserver* observer);
  ~Exchange() override;

  bool sent_at_start() const override { return announced_; }
  void Pause() override;
  void Resume() override;

  // The transport goes away: closes, and says nothing more.
  void Abandon();

 private:
  // False from a step: stop, for the observer destroyed the exchange, or
  // paused it, or it is over.
  void Begin();
  void Connect();
  // Waits for another loop to close an idle connection, or fails.
  void AskForRoom();
  // Waits for an idle connection of any pool to be closed; false: there is none,
  // or it has asked often enough.
  bool AskForDescriptor();
  void OnRoom(PoolLease lease);
  void MakeConnection();
  void OnConnectDone(ConnectResult result);
  void OnConnection(std::unique_ptr<Connection> connection);
  // What is to be told without waiting for the socket is told in a turn of its
  // own: observers are not called from within Start and Resume.
  void Defer();
  void OnTurn();
  void FailLater(HttpFailure failure, std::string message);

  void OnReady(bool readable, bool writable) override;
  bool SendSome();
  // OnConnected, unless it was told, or Start's caller will ask.
  bool Announce();
  // What a failing send means. False: stop sending for now.
  bool OnSendBroken();
  IoResult SendRest();
  bool request_sent() const { return sent_ == request_bytes_; }
  void ForgetRequest();
  bool ReadSome();
  // What is in the receive buffer, after what is in the stash.
  bool ParseReceived(size_t size);
  bool ParseStash();
  bool Parse(std::string_view input);
  bool TellHead();
  bool TellCoded();
  // What the content decoder has, until it wants more, or a pause.
  bool TellDecoded();
  void OnPeerClosed();
  void UpdateWatch();

  void CloseConnection();
  void Complete(bool clean);
  void Fail(HttpFailure failure, std::string_view message);
  // What came cannot be read. False.
  bool Refuse(std::string_view why);
  std::string PeerMessage(std::string_view what) const;

  // Calls the observer; false if that destroyed this.
  template <typename Call>
  bool Tell(Call call);

  TransportCore* core_;  // null once abandoned
  HttpExchangeObserver* const observer_;
  std::shared_ptr<const HttpEndpoint> endpoint_;
  std::shared_ptr<Pool> pool_;
  ResponseParser parser_;
  // Where the upstream compresses unasked. Shared with a call of the observer,
  // which may destroy the exchange.
  std::shared_ptr<ContentDecoder> decoder_;

  // Until it is sent.
  std::string head_;
  std::shared_ptr<const std::string> body_;
  size_t request_bytes_ = 0;
  size_t sent_ = 0;

  // The attempt refers to nothing of the lease, but goes first all the same.
  PoolLease lease_;
  std::unique_ptr<ConnectAttempt> attempt_;
  std::shared_ptr<RoomRequest> room_request_;
  int room_requests_ = 0;
  std::string stash_;  // received, not parsed: an incomplete line, or paused
  Loop::TimerId turn_ = 0;
  std::string early_error_;
  HttpFailure early_failure_ = HttpFailure::kConnect;

  bool starting_ = true;      // within the constructor
  bool reused_ = false;
  bool replaced_ = false;
  bool sending_ = false;      // the connection is there
  bool send_broken_ = false;  // the peer reads no more, but may have answered
  bool announced_ = false;    // the observer knows of the connection
  bool paused_ = false;
  bool over_ = false;
  bool* destroyed_ = nullptr;  // set by the destructor while the observer runs
};

template <typename Call>
bool Exchange::Tell(Call call) {
  bool destroyed = false;
  destroyed_ = &destroyed;
  call();
  if (destroyed) return false;
  destroyed_ = nullptr;
  return !over_;
}

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_EXCHANGE_H_
