#include "tests/simulator/simulator.h"

#include <sys/resource.h>

#include <stdexcept>

#include "tests/simulator/session.h"
#include "tests/simulator/state.h"

namespace sluice::simulator {
namespace {

constexpr int kBacklog = 4096;

// A connection is a descriptor, and thousands are meant to be open.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

class Simulator::Impl {
 public:
  explicit Impl(Options options) : acceptor_(loop_), operate_acceptor_(loop_), refuse_timer_(loop_) {
    RaiseDescriptorLimit();
    state_.options = std::move(options);
    state_.chance.seed(state_.options.seed);
    state_.script.Set(state_.options.faults, state_.options.fault_percent, state_.options.seed);
    state_.refuse_for = [this](std::chrono::milliseconds time) { RefuseFor(time); };
    state_.set_down = [this](bool down) { SetDown(down); };
    if (!state_.options.tls_cert.empty()) {
      tls_.emplace(asio::ssl::context::tls_server);
      tls_->use_certificate_chain_file(state_.options.tls_cert);
      tls_->use_private_key_file(state_.options.tls_key, asio::ssl::context::pem);
    }
    Listen();
    if (state_.options.operate_port) operate_port_ = Open(operate_acceptor_, *state_.options.operate_port);
  }

  uint16_t port() const { return port_; }
  uint16_t operate_port() const { return operate_port_; }
  void Run() { loop_.run(); }
  void Stop() { loop_.stop(); }

 private:
  void Listen() { port_ = Open(acceptor_, port_ == 0 ? state_.options.port : port_); }

  // The port, of which 0 takes any.
  uint16_t Open(tcp::acceptor& acceptor, uint16_t port) {
    const tcp::endpoint at(asio::ip::make_address(state_.options.host), port);
    acceptor.open(at.protocol());
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    acceptor.bind(at);
    acceptor.listen(kBacklog);
    asio::co_spawn(loop_, Accept(acceptor), asio::detached);
    return acceptor.local_endpoint().port();
  }

  asio::awaitable<void> Accept(tcp::acceptor& acceptor) {
    boost::system::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    asio::steady_timer pause(loop_);
    while (acceptor.is_open()) {
      tcp::socket socket = co_await acceptor.async_accept(token);
      if (error == asio::error::operation_aborted || !acceptor.is_open()) co_return;
      if (error) {
        // Out of descriptors: some will be given back.
        pause.expires_after(std::chrono::milliseconds(10));
        co_await pause.async_wait(token);
        continue;
      }
      StartSession(std::move(socket));
    }
  }

  void StartSession(tcp::socket socket) {
    ++state_.stats.connections_accepted;
    if (tls_) {
      std::make_shared<Session<TlsStream>>(TlsStream(std::move(socket), *tls_), state_)->Start();
    } else {
      std::make_shared<Session<tcp::socket>>(std::move(socket), state_)->Start();
    }
  }

  void SetDown(bool down) {
    refuse_timer_.cancel();
    if (down == !acceptor_.is_open()) return;
    if (!down) return Listen();
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    // Closing does not destroy a session at once: the set stays as it is.
    for (Connection* connection : state_.connections) connection->CloseIfIdle();
  }

  void RefuseFor(std::chrono::milliseconds time) {
    SetDown(true);
    refuse_timer_.expires_after(time);
    refuse_timer_.async_wait([this](boost::system::error_code error) {
      if (!error) SetDown(false);
    });
  }

  // Sessions die with the loop, which is destroyed before what they use.
  State state_;
  std::optional<asio::ssl::context> tls_;
  asio::io_context loop_{1};
  tcp::acceptor acceptor_;
  tcp::acceptor operate_acceptor_;
  asio::steady_timer refuse_timer_;
  uint16_t port_ = 0;
  uint16_t operate_port_ = 0;
};

Simulator::Simulator(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Simulator::~Simulator() = default;
uint16_t Simulator::port() const { return impl_->port(); }
uint16_t Simulator::operate_port() const { return impl_->operate_port(); }
void Simulator::Run() { impl_->Run(); }
void Simulator::Stop() { impl_->Stop(); }

}  // namespace sluice::simulator
