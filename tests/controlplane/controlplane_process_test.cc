// The real program: killed in the middle of a write storm, restarted, told
// nonsense on its command line, asked to stop.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "gmock/gmock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "sluice/v1/control.grpc.pb.h"
#include "tests/controlplane/policies.h"

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

// One run of the program. Its standard error goes to a file.
class Process {
 public:
  Process(std::vector<std::string> arguments, const std::string& error_file) {
    arguments.insert(arguments.begin(), std::string(SLUICE_BIN) + "/sluice-controlplane");
    int out[2];
    if (pipe(out) != 0) abort();
    pid_ = fork();
    if (pid_ == 0) {
      dup2(out[1], 1);
      close(out[0]);
      close(out[1]);
      if (freopen(error_file.c_str(), "w", stderr) == nullptr) _exit(126);
      std::vector<char*> argv;
      for (std::string& argument : arguments) argv.push_back(argument.data());
      argv.push_back(nullptr);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(out[1]);
    out_ = fdopen(out[0], "r");
  }

  ~Process() {
    Kill(SIGKILL);
    fclose(out_);
  }

  // "" at the end of output.
  std::string ReadLine() {
    char line[512];
    if (fgets(line, sizeof line, out_) == nullptr) return "";
    std::string text = line;
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }

  // The exit status, or -1 when a signal ended it.
  int Kill(int signal) {
    if (pid_ > 0) kill(pid_, signal);
    return Wait();
  }

  int Wait() {
    if (pid_ <= 0) return exit_;
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return exit_;
  }

 private:
  pid_t pid_ = 0;
  int exit_ = 0;
  FILE* out_ = nullptr;
};

class ControlPlaneProcessTest : public testing::Test {
 protected:
  std::unique_ptr<Process> Run(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--create",
                                          "--store", "sqlite:" + folder_.File("store.db"), "--shutdown-grace", "100ms"};
    // The last one of a repeated flag is not taken: what is given replaces.
    for (size_t i = 0; i + 1 < more.size(); i += 2) {
      auto place = std::find(arguments.begin(), arguments.end(), more[i]);
      if (place != arguments.end()) {
        *(place + 1) = more[i + 1];
      } else {
        arguments.push_back(more[i]);
        arguments.push_back(more[i + 1]);
      }
    }
    return std::make_unique<Process>(arguments, folder_.File("stderr"));
  }

  // Runs it and connects.
  std::unique_ptr<Process> Start() {
    std::unique_ptr<Process> process = Run();
    std::string line = process->ReadLine();
    EXPECT_THAT(line, MatchesRegex("listening on 127.0.0.1:[0-9]+, metrics on 127.0.0.1:[0-9]+")) << Errors();
    size_t begin = line.find("127");
    if (begin == std::string::npos) return process;
    address_ = line.substr(begin, line.find(',') - begin);
    metrics_ = line.substr(line.rfind("127"));
    channel_ = grpc::CreateChannel(address_, grpc::InsecureChannelCredentials());
    admin_ = v1::Admin::NewStub(channel_);
    return process;
  }

  std::string Errors() {
    std::ifstream file(folder_.File("stderr"));
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  grpc::Status Apply(const v1::ApplyRequest& request, v1::ApplyResponse& response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    return admin_->Apply(&context, request, &response);
  }

  v1::GetResponse Get(const std::string& name, uint64_t revision) {
    v1::GetRequest request;
    request.mutable_resource()->set_kind("RetryPolicy");
    request.mutable_resource()->set_name(name);
    request.set_revision(revision);
    v1::GetResponse response;
    grpc::ClientContext context;
    grpc::Status status = admin_->Get(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  static v1::ApplyRequest Numbered(const std::string& name, int number) {
    v1::ApplyRequest request;
    v1::Resource& resource = *request.add_resources() = MakeRetryPolicy(name, 1 + number % 9);
    (*resource.mutable_meta()->mutable_annotations())["number"] = std::to_string(number);
    return request;
  }

  TempFolder folder_;
  std::string address_;
  std::string metrics_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Admin::Stub> admin_;
};

TEST_F(ControlPlaneProcessTest, NoAcknowledgedWriteIsLostWhenKilledInAStorm) {
  std::map<uint64_t, std::pair<std::string, int>> acknowledged;
  for (int round = 0; round < 3; ++round) {
    std::unique_ptr<Process> process = Start();
    std::mutex mutex;
    std::atomic<int> writes = 0;
    std::vector<std::thread> writers;
    for (int w = 0; w < 4; ++w) {
      writers.emplace_back([&, w] {
        std::string name = "w" + std::to_string(w);
        for (int number = round * 100000;; ++number) {
          v1::ApplyResponse response;
          if (!Apply(Numbered(name, number), response).ok()) return;
          std::lock_guard lock(mutex);
          EXPECT_TRUE(acknowledged.emplace(response.revision(), std::pair(name, number)).second)
              << "revision " << response.revision() << " was given twice";
          ++writes;
        }
      });
    }
    while (writes < 60) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    process->Kill(SIGKILL);
    for (std::thread& writer : writers) writer.join();

    process = Start();
    for (const auto& [revision, write] : acknowledged) {
      v1::GetResponse got = Get(write.first, revision);
      EXPECT_EQ(got.resource().meta().annotations().at("number"), std::to_string(write.second)) << revision;
      EXPECT_EQ(got.resource().meta().revision(), revision);
    }
    EXPECT_EQ(process->Kill(SIGTERM), 0);
  }
  EXPECT_GE(acknowledged.size(), 180);
}

TEST_F(ControlPlaneProcessTest, EpochRevisionAndRequestIdsSurviveARestart) {
  std::unique_ptr<Process> process = Start();
  v1::ApplyRequest request = Numbered("p", 1);
  request.set_request_id("once");
  v1::ApplyResponse response;
  ASSERT_TRUE(Apply(request, response).ok());
  ASSERT_TRUE(Apply(Numbered("p", 2), response).ok());
  std::string etag = Get("p", 0).resource().meta().etag();
  process->Kill(SIGKILL);
  process = Start();
  EXPECT_EQ(Get("p", 0).resource().meta().etag(), etag);
  ASSERT_TRUE(Apply(request, response).ok());
  EXPECT_EQ(response.revision(), 1);
  EXPECT_EQ(Get("p", 0).resource().meta().annotations().at("number"), "2");
}

TEST_F(ControlPlaneProcessTest, StopsInPeaceAndAsksSubscribersToLeave) {
  std::unique_ptr<Process> process = Start();
  auto push = v1::Push::NewStub(channel_);
  grpc::ClientContext context;
  auto stream = push->Subscribe(&context);
  v1::SubscribeRequest hello;
  hello.mutable_hello()->set_node_id("edge-1");
  hello.mutable_hello()->set_schema_version(1);
  ASSERT_TRUE(stream->Write(hello));
  v1::ApplyResponse response;
  ASSERT_TRUE(Apply(Numbered("p", 1), response).ok());
  v1::SubscribeResponse update;
  ASSERT_TRUE(stream->Read(&update));
  std::thread stopper([&] { EXPECT_EQ(process->Kill(SIGTERM), 0); });
  v1::SubscribeResponse drain;
  ASSERT_TRUE(stream->Read(&drain));
  EXPECT_TRUE(drain.has_drain());
  EXPECT_FALSE(stream->Read(&drain));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  stopper.join();
}

// The metrics' HTTP server by itself would look every two seconds only, beginning
// at its start.
constexpr std::chrono::milliseconds kAtOnce(1200);

TEST_F(ControlPlaneProcessTest, EndsAtOnceWhenNobodyIsConnected) {
  for (const std::string metrics_listen : {"127.0.0.1:0", "0.0.0.0:0"}) {
    // A busy machine may be late now and then; that server always would be.
    auto quickest = std::chrono::steady_clock::duration::max();
    for (int i = 0; i < 10 && quickest > kAtOnce; ++i) {
      std::unique_ptr<Process> process = Run({"--metrics-listen", metrics_listen});
      ASSERT_THAT(process->ReadLine(), HasSubstr("listening"));
      const auto began = std::chrono::steady_clock::now();
      EXPECT_EQ(process->Kill(SIGTERM), 0);
      quickest = std::min(quickest, std::chrono::steady_clock::now() - began);
    }
    EXPECT_LT(quickest, kAtOnce) << metrics_listen;
  }
}

TEST_F(ControlPlaneProcessTest, HealthIsServed) {
  std::unique_ptr<Process> process = Start();
  auto health = grpc::health::v1::Health::NewStub(channel_);
  grpc::ClientContext context;
  grpc::health::v1::HealthCheckResponse response;
  ASSERT_TRUE(health->Check(&context, {}, &response).ok());
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
}

TEST_F(ControlPlaneProcessTest, MetricsPassPromtoolAndCountWhatHappened) {
  std::unique_ptr<Process> process = Start();
  v1::ApplyResponse response;
  ASSERT_TRUE(Apply(Numbered("p", 1), response).ok());
  v1::ApplyRequest bad;
  *bad.add_resources() = MakeRoute("r", "missing");
  ASSERT_FALSE(Apply(bad, response).ok());
  std::string page = folder_.File("metrics");
  ASSERT_EQ(std::system(("curl -sf http://" + metrics_ + "/metrics > " + page).c_str()), 0);
  std::ifstream file(page);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_THAT(text.str(), HasSubstr("sluice_controlplane_revision 1\n"));
  EXPECT_THAT(text.str(), HasSubstr("sluice_controlplane_admin_requests_total{code=\"OK\",method=\"Apply\"} 1\n"));
  EXPECT_THAT(text.str(),
              HasSubstr("sluice_controlplane_admin_requests_total{code=\"INVALID_ARGUMENT\",method=\"Apply\"} 1\n"));
  EXPECT_THAT(text.str(), HasSubstr("sluice_controlplane_store_commit_seconds_count 1\n"));
  EXPECT_EQ(std::system(("promtool check metrics < " + page).c_str()), 0);
}

TEST_F(ControlPlaneProcessTest, APortInUseIsNamedInOneLine) {
  std::unique_ptr<Process> first = Start();
  std::unique_ptr<Process> second = Run({"--listen", address_, "--store", folder_.File("other.db")});
  EXPECT_EQ(second->Wait(), 1);
  EXPECT_EQ(Errors(), "sluice-controlplane: cannot listen on " + address_ + ": Address already in use\n");
  second = Run({"--metrics-listen", metrics_, "--store", folder_.File("other.db")});
  EXPECT_EQ(second->Wait(), 1);
  EXPECT_EQ(Errors(), "sluice-controlplane: cannot listen on " + metrics_ + " for metrics: Address already in use\n");
}

TEST_F(ControlPlaneProcessTest, AStoreInUseOrDamagedIsNamedInOneLine) {
  std::unique_ptr<Process> first = Start();
  EXPECT_EQ(Run()->Wait(), 1);
  EXPECT_EQ(Errors(), "sluice-controlplane: store " + folder_.File("store.db") + " is in use by another process\n");
  std::ofstream(folder_.File("bad.db")) << std::string(9000, 'x');
  EXPECT_EQ(Run({"--store", folder_.File("bad.db")})->Wait(), 1);
  EXPECT_THAT(Errors(), HasSubstr("bad.db is damaged or not a store"));
}

TEST_F(ControlPlaneProcessTest, AStoreThatWasNamedAndIsNotThereIsNotMadeUnsaid) {
  const std::string path = folder_.File("lost.db");
  Process named({"--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--store", path},
                folder_.File("stderr"));
  EXPECT_EQ(named.Wait(), 1);
  EXPECT_EQ(Errors(), "sluice-controlplane: store " + path +
                          " does not exist; --create makes a new one, 'sluice-controlplane restore' brings one back "
                          "from a backup\n");
}

TEST_F(ControlPlaneProcessTest, RestoreBringsAStoreBackAndSaysSo) {
  Start()->Kill(SIGTERM);
  const std::string lost = folder_.File("lost.db");
  Process restore({"restore", "--from", folder_.File("store.db"), "--store", lost}, folder_.File("stderr"));
  EXPECT_THAT(restore.ReadLine(),
              MatchesRegex("restored .*lost.db from .*store.db: revision 0 with 0 resources of epoch [0-9a-f]+, now of "
                           "the new epoch [0-9a-f]+"));
  EXPECT_EQ(restore.Wait(), 0);
  Process again({"restore", "--from", folder_.File("store.db"), "--store", lost}, folder_.File("stderr"));
  EXPECT_EQ(again.Wait(), 1);
  EXPECT_EQ(Errors(), "sluice-controlplane: store " + lost +
                          " is there already; --force keeps it beside and restores over it\n");
}

TEST_F(ControlPlaneProcessTest, BadFlagsOfRestoreExitWithTwoAndOneLine) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"restore", "--store", "x.db"}, "--from is required"},
      {{"restore", "--from", "x.db"}, "--store is required"},
      {{"restore", "--from", "x.db", "--store", "y.db", "--listen", "1:2"}, "--listen"},
      {{"--listen", "127.0.0.1:1", "restore", "--from", "x.db", "--store", "y.db"},
       "--listen: stands before \"restore\""},
      {{"--new-epoch"}, "--new-epoch: is gone: 'sluice-controlplane restore --from FILE --store PATH' brings"},
  };
  for (const auto& [arguments, message] : cases) {
    Process process(arguments, folder_.File("stderr"));
    EXPECT_EQ(process.Wait(), 2) << message;
    EXPECT_THAT(Errors(), HasSubstr(message));
    EXPECT_EQ(Errors().find('\n'), Errors().size() - 1) << Errors();
  }
}

TEST_F(ControlPlaneProcessTest, BadFlagsExitWithTwoAndOneLine) {
  EXPECT_EQ(Run({"--no-such-flag", "1"})->Wait(), 2);
  EXPECT_THAT(Errors(), HasSubstr("--no-such-flag"));
  EXPECT_EQ(Run({"--ack-timeout", "30"})->Wait(), 2);
  EXPECT_THAT(Errors(), HasSubstr("--ack-timeout"));
  EXPECT_THAT(Errors(), HasSubstr("unit missing"));
  EXPECT_EQ(Run({"--tls-cert", "x.pem"})->Wait(), 2);
  EXPECT_THAT(Errors(), HasSubstr("--tls-key"));
  EXPECT_EQ(Run({"--keep-revisions", "0"})->Wait(), 2);
}

TEST_F(ControlPlaneProcessTest, JsonLogLinesAreJson) {
  std::unique_ptr<Process> process = Run({"--log-format", "json"});
  ASSERT_THAT(process->ReadLine(), HasSubstr("listening"));
  EXPECT_EQ(process->Kill(SIGTERM), 0);
  EXPECT_THAT(Errors(), MatchesRegex("\\{\"time\":\"[^\"]*\",\"level\":\"info\",\"message\":\"SIGTERM[^\"]*\"\\}\n"));
}

}  // namespace
}  // namespace sluice
