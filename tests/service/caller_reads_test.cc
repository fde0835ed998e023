// Reads of callers' sockets stay on the notification threads (DESIGN.md, The
// gRPC face). A poller that gRPC adds behind our back, as its default health
// service or one callback method makes it, would take most of them: then its
// thread wakes up as often as requests come. So the program runs for itself,
// many connections ask it, and the threads' wake-ups are counted in /proc.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "sluice/v1/gateway.grpc.pb.h"

namespace sluice {
namespace {

constexpr int kConnections = 50;
constexpr int kRounds = 40;

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
      std::string policy = folder_ / "policy.yaml";
      execl(SLUICE_BIN "/sluice-server", "sluice-server", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0",
            "--policy-file", policy.c_str(), "--state-dir", "", "--loops", "2", nullptr);
      _exit(127);
    }
    close(out[1]);
    ReadAddress(out[0]);
    close(out[0]);
  }

  ~Server() {
    if (pid_ > 0) {
      kill(pid_, SIGTERM);
      waitpid(pid_, &status_, 0);
      EXPECT_TRUE(WIFEXITED(status_) && WEXITSTATUS(status_) == 0) << "status " << status_;
    }
    std::filesystem::remove_all(folder_);
  }

  const std::string& address() const { return address_; }

  // Voluntary context switches of every thread, by name.
  std::map<std::string, int64_t> WakeUps() const {
    std::map<std::string, int64_t> sums;
    for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/task")) {
      std::ifstream comm(task.path() / "comm"), status(task.path() / "status");
      std::string name, line;
      std::getline(comm, name);
      int64_t count = 0;
      while (std::getline(status, line)) {
        if (line.rfind("voluntary_ctxt_switches:", 0) == 0) {
          (void)absl::SimpleAtoi(line.substr(line.find(':') + 1), &count);
        }
      }
      sums[name] += count;
    }
    return sums;
  }

 private:
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

TEST(CallerReadsTest, StayOnTheNotificationThreads) {
  Server server;
  ASSERT_FALSE(server.address().empty()) << "sluice-server did not start";
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < kConnections; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channels.push_back(grpc::CreateCustomChannel(server.address(), grpc::InsecureChannelCredentials(), arguments));
  }
  auto before = server.WakeUps();
  // One thread reads for both loops.
  ASSERT_EQ(before.count("sluice-notify-0") + before.count("sluice-loop-0") + before.count("sluice-loop-1"), 3u);
  ASSERT_EQ(before.count("sluice-notify-1"), 0u);
  for (int round = 0; round < kRounds; ++round) {
    for (auto& channel : channels) {
      grpc::ClientContext models_context, health_context;
      v1::ListModelsResponse models;
      ASSERT_TRUE(v1::Gateway::NewStub(channel)->ListModels(&models_context, {}, &models).ok());
      grpc::health::v1::HealthCheckResponse health;
      ASSERT_TRUE(grpc::health::v1::Health::NewStub(channel)->Check(&health_context, {}, &health).ok());
    }
  }
  auto after = server.WakeUps();
  int64_t notify = 0, others = 0;
  for (const auto& [name, count] : after) {
    int64_t woken = count - before[name];
    RecordProperty(name, std::to_string(woken));
    if (name.rfind("sluice-notify-", 0) == 0) {
      notify += woken;
    } else if (name.rfind("sluice-loop-", 0) != 0 && name != "default-executo") {
      others += woken;
    }
  }
  // One request at a time, so each is read in a wake-up of its own.
  EXPECT_GE(notify, kConnections * kRounds);
  // A poller of gRPC's own ("nexting_thread") would take most of them. Its
  // executor reads nothing: it wakes where a loop writes to a connection that
  // is being read, and is left out above.
  EXPECT_LT(others, notify / 20) << "threads that are not ours read callers' sockets";
}

}  // namespace
}  // namespace sluice
