// An upstream on loopback that does to each connection what a script says, and
// records what it saw. Blocking sockets on threads of its own; plain or TLS.
// Tests only.
//
//   ScriptedServer server({Respond(kOkResponse), Close()});
//   … connect to 127.0.0.1:server.port() …
//   EXPECT_EQ(server.requests(), 1);
//
// A script is run from its beginning on each connection; with several
// scripts the n-th connection runs the n-th, the rest run the last.
#ifndef SLUICE_TESTS_SUPPORT_SCRIPTED_SERVER_H_
#define SLUICE_TESTS_SUPPORT_SCRIPTED_SERVER_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_st SSL;

namespace sluice {

class ScriptedServer;

// The server's end of one connection, as a step sees it.
class ScriptedPeer {
 public:
  ScriptedPeer(ScriptedServer& server, int fd, SSL* ssl);
  ~ScriptedPeer();

  // One whole request, by its Content-Length. False: the client closed.
  bool ReadRequest();
  // False when the client is gone.
  bool Write(const std::string& bytes);
  // Until the client closes or resets.
  void AwaitClose();
  // RST instead of FIN.
  void Reset();
  void Close();

  ScriptedServer& server() { return server_; }

 private:
  int ReadSome(char* buffer, size_t size);

  ScriptedServer& server_;
  int fd_;
  SSL* ssl_;
  std::string unread_;
};

// False ends the script, and closes the connection.
using ScriptStep = std::function<bool(ScriptedPeer&)>;
using Script = std::vector<ScriptStep>;

// The steps.
ScriptStep ReadRequest();
ScriptStep Write(std::string bytes);
// Reads a request, then writes.
ScriptStep Respond(std::string bytes);
// The same for every further request.
ScriptStep RespondForever(std::string bytes);
// One byte at a time, each in a segment of its own.
ScriptStep Trickle(std::string bytes);
ScriptStep AwaitClose();
ScriptStep CloseNow();
ScriptStep ResetNow();
// Blocks the script until the server's Release (one call lets one through).
ScriptStep AwaitRelease();
// Writes pieces of 64 KiB until the client is gone or `limit` bytes are sent.
ScriptStep Flood(std::string head, size_t limit);

struct ScriptedTls {
  std::string certificate_file;  // PEM, with the chain
  std::string key_file;          // PEM
};

class ScriptedServer {
 public:
  explicit ScriptedServer(Script script) : ScriptedServer(std::vector<Script>{std::move(script)}) {}
  explicit ScriptedServer(std::vector<Script> scripts, ScriptedTls tls = {});
  // Ends every connection.
  ~ScriptedServer();

  uint16_t port() const { return port_; }
  int connections() const { return connections_; }
  int requests() const { return requests_; }
  // Connections that the client has ended (seen by AwaitClose or a failed write).
  int closed_by_client() const { return closed_by_client_; }
  size_t bytes_written() const { return bytes_written_; }
  // TLS handshakes that resumed a session.
  int resumed() const { return resumed_; }
  std::string last_request() const;

  void Release();
  // Polls for up to five seconds.
  static bool Eventually(const std::function<bool()>& holds);

 private:
  friend class ScriptedPeer;
  friend ScriptStep AwaitRelease();

  void Accept();
  void Serve(int fd, const Script& script);
  bool WaitForRelease();
  void Register(int fd);
  void Unregister(int fd);

  const std::vector<Script> scripts_;
  SSL_CTX* tls_ = nullptr;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  std::atomic<int> requests_{0};
  std::atomic<int> closed_by_client_{0};
  std::atomic<size_t> bytes_written_{0};
  std::atomic<int> resumed_{0};

  mutable std::mutex mutex_;
  std::condition_variable released_;
  int releases_ = 0;
  std::string last_request_;
  std::vector<int> open_;  // descriptors, to break their threads' waits
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

// A loopback port that nobody listens on.
uint16_t UnusedPort();

}  // namespace sluice

#endif  // SLUICE_TESTS_SUPPORT_SCRIPTED_SERVER_H_
