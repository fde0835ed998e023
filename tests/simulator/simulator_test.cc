// The simulator itself: its faults, its scripts, its counts. In-process, over
// a socket that reads whatever comes.
#include "tests/simulator/simulator.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <thread>

#include "tests/simulator/state.h"

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
  // Of the requests to come.
  void SetKey(const std::string& key) { headers_ = "\r\nAuthorization: Bearer " + key; }

  std::string Ask(const std::string& method, const std::string& path, const std::string& body,
                  const std::string& until = "") {
    const std::string request = method + " " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                                std::to_string(body.size()) + (until.empty() ? "\r\nConnection: close" : "") +
                                headers_ + "\r\n\r\n" + body;
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
  std::string headers_;
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
    options.operate_port = 0;
    return options;
  }

  std::string Chat(const std::string& prompt) {
    return Client(simulator_.port()).Ask("POST", "/v1/chat/completions", Body(prompt));
  }
  std::string ChatAs(const std::string& key) {
    Client client(simulator_.port());
    client.SetKey(key);
    return client.Ask("POST", "/v1/chat/completions", Body("hi"));
  }
  std::string Operate(const std::string& method, const std::string& path, const std::string& body = "") {
    return Client(simulator_.operate_port()).Ask(method, path, body);
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

TEST_F(SimulatorTest, IsDownUntilItIsUpAgainAndCanBeOperatedMeanwhile) {
  Operate("POST", "/script", R"({"down":true})");
  EXPECT_FALSE(Client(simulator_.port()).connected());
  EXPECT_TRUE(StatsSay("\"requests\":0"));
  Operate("POST", "/script", R"({"down":false})");
  EXPECT_TRUE(Has(Chat("hi"), "[DONE]"));
}

TEST_F(SimulatorTest, TheCredentialDecidesWhatItMeets) {
  Operate("POST", "/script", R"({"keys":{"K1":"quota","K2":"status:401"}})");
  EXPECT_TRUE(Has(ChatAs("K1"), "insufficient_quota"));
  EXPECT_TRUE(Has(ChatAs("K2"), "HTTP/1.1 401"));
  EXPECT_TRUE(Has(ChatAs("K3"), "[DONE]"));
  EXPECT_TRUE(StatsSay("\"by_key\":{\"K1\":1,\"K2\":1,\"K3\":1}"));
}

TEST_F(SimulatorTest, LimitsTheRateOfEachCredentialAndSaysWhenToComeBack) {
  const std::pair<const char*, const char*> spellings[] = {{"retry-after=1", "Retry-After: 1\r\n"},
                                                           {"retry-after=date+2", " GMT\r\n"},
                                                           {"retry-after-ms=800", "retry-after-ms: 800\r\n"},
                                                           {"reset=800ms", "x-ratelimit-reset-requests: 800ms\r\n"}};
  for (const auto& [pushback, header] : spellings) {
    Operate("POST", "/script", std::string(R"({"rate_per_s":2,"pushback":")") + pushback + "\"}");
    const std::string key = std::string("of ") + pushback;
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(Has(ChatAs(key), "[DONE]"));
    const std::string refused = ChatAs(key);
    EXPECT_TRUE(Has(refused, "HTTP/1.1 429") && Has(refused, header)) << refused;
  }
  EXPECT_TRUE(StatsSay("\"rate-limited\":4"));
}

TEST_F(SimulatorTest, EmbedsTheSameTextAlike) {
  const auto embed = [&](const std::string& body) {
    return Client(simulator_.port()).Ask("POST", "/v1/embeddings", body);
  };
  const std::string answer = embed(R"({"model":"e","input":["ab","ab"],"dimensions":2})");
  // 97 + 98 + 2 · 1, and + 2 · 2.
  const size_t first = answer.find("\"embedding\":[0.19699");
  ASSERT_NE(first, std::string::npos) << answer;
  EXPECT_NE(answer.find("\"embedding\":[0.19699", first + 1), std::string::npos) << answer;
  EXPECT_TRUE(Has(answer, "\"usage\":{\"prompt_tokens\":2,\"total_tokens\":2}"));
  EXPECT_TRUE(Has(embed(R"({"model":"e","input":"ab","dimensions":1,"encoding_format":"base64"})"), "\"embedding\":\""));
  EXPECT_TRUE(Has(embed(R"({"model":"e","input":"[[alpha status:503]] ab"})"), "HTTP/1.1 503"));
  EXPECT_TRUE(Has(embed(R"({"model":"e"})"), "HTTP/1.1 400"));
  EXPECT_TRUE(StatsSay("\"requests\":4,\"embeddings\":4"));
}

TEST_F(SimulatorTest, TheHealthCheckCanBeSwitched) {
  EXPECT_TRUE(Has(Client(simulator_.port()).Ask("GET", "/v1/models", ""), "HTTP/1.1 200"));
  Operate("POST", "/script", R"({"health":"status:503"})");
  EXPECT_TRUE(Has(Client(simulator_.port()).Ask("GET", "/v1/models", ""), "HTTP/1.1 503"));
  EXPECT_TRUE(StatsSay("\"models_requests\":2"));
}

TEST_F(SimulatorTest, RefusesAPromptBeyondItsContext) {
  Operate("POST", "/script", R"({"context_tokens":2})");
  EXPECT_TRUE(Has(Chat("one two three"), "context_length_exceeded"));
  EXPECT_TRUE(Has(Chat("one two"), "[DONE]"));
}

TEST_F(SimulatorTest, WaitsBeforeTheFirstContentOnly) {
  {
    Client client(simulator_.port());
    client.Ask("POST", "/v1/chat/completions", Body("[[alpha late:3600000]] hi"), "\"role\"");
    EXPECT_TRUE(StatsSay("\"answers_open\":1"));
    EXPECT_TRUE(StatsSay("\"pieces_sent\":0"));
  }
  Client client(simulator_.port());
  const auto began = std::chrono::steady_clock::now();
  client.Ask("POST", "/v1/chat/completions", Body("[[alpha late:150]] hi"), "alpha:0");
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(150));
}

TEST_F(SimulatorTest, AScriptForOnceEndsWell) {
  Operate("POST", "/script", R"({"faults":["status:500","status:503"],"once":true})");
  EXPECT_TRUE(Has(Chat("hi"), "HTTP/1.1 500"));
  EXPECT_TRUE(Has(Chat("hi"), "HTTP/1.1 503"));
  EXPECT_TRUE(Has(Chat("hi"), "[DONE]"));
  EXPECT_TRUE(Has(Chat("hi"), "[DONE]"));
}

TEST_F(SimulatorTest, RemembersWhatCameAndHowManyAtATime) {
  {
    Client one(simulator_.port()), other(simulator_.port());
    one.Ask("POST", "/v1/chat/completions", Body("[[alpha stall:1]] hi"), "alpha:0");
    other.Ask("POST", "/v1/chat/completions", Body("[[alpha stall:1]] hi"), "alpha:0");
    EXPECT_TRUE(StatsSay("\"answers_open_max\":2"));
  }
  EXPECT_TRUE(StatsSay("\"by_model\":{\"m\":2}"));
  const std::string requests = Operate("GET", "/requests");
  EXPECT_TRUE(Has(requests, R"("path":"/v1/chat/completions","model":"m","key":"","fault":"stall","headers":{"host":"x")"))
      << requests;
}

TEST(LatencyTest, ComesByChanceFromTheSeed) {
  State one, other;
  one.chance.seed(5);
  other.chance.seed(5);
  const Latency latency{std::chrono::milliseconds(10), std::chrono::milliseconds(20)};
  int more = 0;
  for (int i = 0; i < 100; ++i) {
    const auto drawn = one.Draw(latency);
    EXPECT_EQ(drawn, other.Draw(latency));
    EXPECT_GE(drawn.count(), 10);
    EXPECT_LE(drawn.count(), 30);
    more += drawn.count() > 20;
  }
  EXPECT_NEAR(more, 50, 25);
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
