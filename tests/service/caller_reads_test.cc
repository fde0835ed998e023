// Reads of callers' sockets stay on the notification threads (DESIGN.md, The
// gRPC face). A poller that gRPC adds behind our back, as its default health
// service or one callback method makes it, would take most of them. So the
// program runs for itself, many connections ask it, and a library that it is
// given tells which threads read their sockets.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "sluice/v1/gateway.grpc.pb.h"
#include "tests/support/socket_reads.h"

namespace sluice {
namespace {

constexpr int kConnections = 50;
constexpr int kRounds = 10;

constexpr const char* kPolicy = R"(kind: Upstream
name: nowhere
format: OPENAI
endpoints:
- url: http://127.0.0.1:1
---
kind: Route
name: chat
match: {model: chat}
targets: [{upstream: nowhere}]
)";

// sluice-server as a process of its own: in this one, the clients' threads
// would share the pollers.
class Server {
 public:
  Server() {
    folder_ = std::filesystem::temp_directory_path() / ("sluice-reads-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "policy.yaml") << kPolicy;
    int out[2];
    if (pipe(out) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      dup2(out[1], STDOUT_FILENO);
      close(out[0]);
      const std::string policy = folder_ / "policy.yaml", reads = folder_ / "reads";
      setenv("LD_PRELOAD", SLUICE_SOCKET_READS_LIBRARY, 1);
      setenv("SLUICE_SOCKET_READS", reads.c_str(), 1);
      execl(SLUICE_BIN "/sluice-server", "sluice-server", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0",
            "--policy-file", policy.c_str(), "--state-dir", "", "--loops", "2", "--drain-grace", "0s", nullptr);
      _exit(127);
    }
    close(out[1]);
    ReadAddress(out[0]);
    close(out[0]);
  }

  ~Server() {
    End();
    std::filesystem::remove_all(folder_);
  }

  const std::string& address() const { return address_; }

  // Names of its threads.
  std::set<std::string> Threads() const {
    std::set<std::string> names;
    for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/task")) {
      std::ifstream comm(task.path() / "comm");
      std::string name;
      std::getline(comm, name);
      names.insert(name);
    }
    return names;
  }

  // Ends it, and tells which threads read callers' sockets, and how often.
  std::map<std::string, int64_t> ReadsWhenItEnds() {
    End();
    int port = 0;
    (void)absl::SimpleAtoi(address_.substr(address_.rfind(':') + 1), &port);
    return SocketReadsIn(folder_ / "reads", port);
  }

 private:
  void End() {
    if (pid_ <= 0) return;
    kill(pid_, SIGTERM);
    waitpid(pid_, &status_, 0);
    pid_ = -1;
    EXPECT_TRUE(WIFEXITED(status_) && WEXITSTATUS(status_) == 0) << "status " << status_;
  }

  void ReadAddress(int fd) {
    const std::string before = "listening on ";
    std::string text;
    char c;
    while (read(fd, &c, 1) == 1 && c != '\n') text += c;
    if (text.rfind(before, 0) == 0) address_ = text.substr(before.size(), text.find(',') - before.size());
  }

  std::filesystem::path folder_;
  pid_t pid_ = -1;
  int status_ = 0;
  std::string address_;
};

// gRPC's executors and its timer wait for work, not for sockets: on a busy machine
// they end now and then what one of ours had begun. The pollers that it adds have
// other names (nexting_thread, grpcpp_sync_ser).
bool PollsNothing(const std::string& thread) {
  return thread == "default-executo" || thread == "resolver-execut" || thread == "grpc_global_tim";
}

TEST(CallerReadsTest, StayOnTheNotificationThreads) {
  Server server;
  ASSERT_FALSE(server.address().empty()) << "sluice-server did not start";
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < kConnections; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channels.push_back(grpc::CreateCustomChannel(server.address(), grpc::InsecureChannelCredentials(), arguments));
  }
  // One thread reads for both loops.
  const std::set<std::string> threads = server.Threads();
  for (const char* name : {"sluice-notify-0", "sluice-loop-0", "sluice-loop-1"}) EXPECT_EQ(threads.count(name), 1u) << name;
  EXPECT_EQ(threads.count("sluice-notify-1"), 0u);
  for (int round = 0; round < kRounds; ++round) {
    for (auto& channel : channels) {
      grpc::ClientContext models_context, health_context;
      v1::ListModelsResponse models;
      ASSERT_TRUE(v1::Gateway::NewStub(channel)->ListModels(&models_context, {}, &models).ok());
      grpc::health::v1::HealthCheckResponse health;
      ASSERT_TRUE(grpc::health::v1::Health::NewStub(channel)->Check(&health_context, {}, &health).ok());
    }
  }
  channels.clear();
  int64_t ours = 0;
  for (const auto& [name, count] : server.ReadsWhenItEnds()) {
    RecordProperty(name, std::to_string(count));
    // A loop may read where it has much to do.
    const bool is_ours = absl::StartsWith(name, "sluice-notify-") || absl::StartsWith(name, "sluice-loop-");
    EXPECT_TRUE(is_ours || PollsNothing(name)) << name << " read callers' sockets " << count << " times";
    ours += count;
  }
  // One request at a time on each connection, so each is a read of its own.
  EXPECT_GE(ours, 2 * kConnections * kRounds);
}

}  // namespace
}  // namespace sluice
