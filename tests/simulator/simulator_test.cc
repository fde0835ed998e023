// The simulator itself: its faults, its scripts, its counts. In-process, over
// a socket that reads whatever comes.
#include "tests/simulator/simulator.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <thread>

namespace sluice::simulator {
namespace {

// One connection: sends a request, reads until `until` comes or the end.
class Client {
 public:
  explicit Client(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval patience{2, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool connected() const { return connected_; }

  std::string Ask(const std::string& method, const std::string& path, const std::string& body,
                  const std::string& until = "") {
    const std::string request = method + " " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                                std::to_string(body.size()) + (until.empty() ? "\r\nConnection: close" : "") +
                                "\r\n\r\n" + body;
    EXPECT_EQ(::send(socket_, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
    std::string answer;
    char buffer[4096];
    while (until.empty() || answer.find(until) == std::string::npos) {
      const ssize_t got = ::recv(socket_, buffer, sizeof(buffer), 0);
      if (got <= 0) {
        ended_by_reset_ = got < 0 && errno == ECONNRESET;
        break;
      }
      answer.append(buffer, got);
    }
    return answer;
  }

  bool ended_by_reset() const { return ended_by_reset_; }

 private:
  int socket_;
  bool connected_ = false;
  bool ended_by_reset_ = false;
};

std::string Body(const std::string& prompt, bool stream = true) {
  return std::string(R"({"model":"m","stream":)") + (stream ? "true" : "false") +
         R"(,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":")" + prompt + "\"}]}";
}

class SimulatorTest : public testing::Test {
 protected:
  SimulatorTest() : simulator_(MakeOptions()), thread_([this] { simulator_.Run(); }) {}
  ~SimulatorTest() override {
    simulator_.Stop();
    thread_.join();
  }

  static Options MakeOptions() {
    Options options;
    options.answer.name = "alpha";
    options.answer.mode = AnswerMode::kNumbered;
    options.answer.chunks = 3;
    return options;
  }

  std::string Chat(const std::string& prompt) {
    return Client(simulator_.port()).Ask("POST", "/v1/chat/completions", Body(prompt));
  }
  std::string Operate(const std::string& method, const std::string& path, const std::string& body = "") {
    return Client(simulator_.port()).Ask(method, path, body);
  }
  // Waits for what the simulator notices a moment later.
  bool StatsSay(const std::string& figure) {
    for (int i = 0; i < 200; ++i) {
      if (Operate("GET", "/stats").find(figure) != std::string::npos) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ADD_FAILURE() << Operate("GET", "/stats");
    return false;
  }

  Simulator simulator_;
  std::thread thread_;
};

bool Has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_F(SimulatorTest, NumbersItsChunksAndEndsWell) {
  const std::string answer = Chat("hi");
  const size_t first = answer.find("\"alpha:0 \""), second = answer.find("\"alpha:1 \""), third = answer.find("\"alpha:2\"");
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_TRUE(Has(answer, "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":3,\"total_tokens\":4}")) << answer;
  EXPECT_TRUE(Has(answer, "data: [DONE]\n\n\r\n0\r\n\r\n")) << answer;
  EXPECT_TRUE(StatsSay("\"completed\":1,\"cancelled\":0"));
}

TEST_F(SimulatorTest, AnswersWholeWithoutStream) {
  const std::string answer = Client(simulator_.port()).Ask("POST", "/v1/chat/completions", Body("hi", false));
  EXPECT_TRUE(Has(answer, "\"content\":\"alpha:0 alpha:1 alpha:2\"")) << answer;
}

TEST_F(SimulatorTest, CutsAfterTheChunksThatWereAskedFor) {
  const std::string answer = Chat("[[alpha cut:2]] hi");
  EXPECT_TRUE(Has(answer, "alpha:1"));
  EXPECT_FALSE(Has(answer, "alpha:2"));
  EXPECT_FALSE(Has(answer, "\r\n0\r\n\r\n"));
}

TEST_F(SimulatorTest, AFaultOfAnotherNameIsNotOurs) {
  EXPECT_TRUE(Has(Chat("[[beta cut:0]][[fault ok]] hi"), "[DONE]"));
  EXPECT_TRUE(StatsSay("\"by_fault\":{\"ok\":1}"));
}

TEST_F(SimulatorTest, RefusesAFaultItDoesNotKnow) {
  EXPECT_TRUE(Has(Chat("[[alpha explode]] hi"), "HTTP/1.1 400"));
}

TEST_F(SimulatorTest, ResetsAsTold) {
  Client client(simulator_.port());
  const std::string answer = client.Ask("POST", "/v1/chat/completions", Body("[[alpha reset:1]] hi"));
  EXPECT_TRUE(client.ended_by_reset());
}

TEST_F(SimulatorTest, SendsStatusWithRetryAfter) {
  const std::string answer = Chat("[[alpha status:503:retry-after=2:body=a:b]] hi");
  EXPECT_TRUE(Has(answer, "HTTP/1.1 503")) << answer;
  EXPECT_TRUE(Has(answer, "Retry-After: 2\r\n"));
  EXPECT_TRUE(Has(answer, "\r\n\r\na:b"));
}

TEST_F(SimulatorTest, CountsAClientThatLeavesAStalledAnswer) {
  {
    Client client(simulator_.port());
    client.Ask("POST", "/v1/chat/completions", Body("[[alpha stall:1]] hi"), "alpha:0");
    EXPECT_TRUE(StatsSay("\"answers_open\":1"));
  }
  EXPECT_TRUE(StatsSay("\"completed\":0,\"cancelled\":1,\"answers_open\":0"));
}

TEST_F(SimulatorTest, KeepsAConnectionForTheNextRequest) {
  Client client(simulator_.port());
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(Has(client.Ask("POST", "/v1/chat/completions", Body("hi"), "\r\n0\r\n\r\n"), "[DONE]"));
  }
  EXPECT_TRUE(StatsSay("\"requests\":3"));
  EXPECT_TRUE(StatsSay("\"connections_accepted\":1,\"connections_open\":1"));
}

TEST_F(SimulatorTest, TakesAScriptInTurn) {
  EXPECT_TRUE(Has(Operate("POST", "/script", R"({"faults":["status:500","ok"]})"), "200 OK"));
  EXPECT_TRUE(Has(Chat("hi"), "HTTP/1.1 500"));
  EXPECT_TRUE(Has(Chat("hi"), "[DONE]"));
  EXPECT_TRUE(Has(Chat("hi"), "HTTP/1.1 500"));
  EXPECT_TRUE(Has(Operate("POST", "/script", R"({"fault":["ok"]})"), "400"));
  EXPECT_TRUE(StatsSay("\"by_fault\":{\"ok\":1,\"status\":2}"));
  Operate("POST", "/stats/reset");
  EXPECT_TRUE(StatsSay("\"requests\":0"));
}

TEST_F(SimulatorTest, StopsListeningForAWhile) {
  Operate("POST", "/script", R"({"refuse_for_ms":300})");
  EXPECT_FALSE(Client(simulator_.port()).connected());
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  EXPECT_TRUE(Client(simulator_.port()).connected());
}

TEST(FaultScriptTest, TheSameSeedGivesTheSameFaults) {
  std::string problem;
  const std::vector<Fault> faults = {*ParseFault("cut:1", problem), *ParseFault("garbage", problem)};
  FaultScript one, other;
  one.Set(faults, 50, 7);
  other.Set(faults, 50, 7);
  int struck = 0;
  for (int i = 0; i < 1000; ++i) {
    const Fault fault = one.Next();
    EXPECT_EQ(fault.kind, other.Next().kind);
    struck += fault.kind != Fault::Kind::kNone;
  }
  EXPECT_NEAR(struck, 500, 80);
}

TEST(ParseFaultTest, SaysWhatIsWrong) {
  std::string problem;
  EXPECT_FALSE(ParseFault("cut:x", problem));
  EXPECT_EQ(problem, "fault \"cut:x\": is no number");
  EXPECT_FALSE(ParseFault("status", problem));
  EXPECT_FALSE(ParseFault("status:99", problem));
  EXPECT_FALSE(ParseFault("garbage:1", problem));
  EXPECT_FALSE(ParseFault("cut:1:2", problem));
}

}  // namespace
}  // namespace sluice::simulator
