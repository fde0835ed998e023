// A host whose DNS answer changes while connections to it are open.
#include "server/upstream/host_watch.h"

#include <mutex>

#include "gmock/gmock.h"
#include "tests/support/simulated_loop.h"
#include "tests/upstream/transport_harness.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;

const std::string kHere("\x7f\0\0\1", 4);
const std::string kThere("\x0a\0\0\1", 4);

// Answers what the test says, at once.
class FakeLookup : public NameLookup {
 public:
  void Look(const std::string& host, Done done) override {
    std::lock_guard lock(mutex_);
    hosts_.push_back(host);
    done(answer_.empty() ? nullptr : std::make_shared<const AddressList>(answer_));
  }
  void Answer(AddressList answer) {
    std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  std::vector<std::string> hosts() {
    std::lock_guard lock(mutex_);
    return hosts_;
  }

 private:
  std::mutex mutex_;
  AddressList answer_{kHere};
  std::vector<std::string> hosts_;
};

class MovedHostTest : public TransportTest {
 protected:
  MovedHostTest() {
    transport_ = std::make_unique<PooledHttpTransport>(loop_, options_, std::make_shared<PoolRegistry>(nullptr, names_));
  }
  std::shared_ptr<HttpEndpoint> Named(uint16_t port) {
    auto endpoint = Endpoint(port);
    endpoint->host = "localhost";
    endpoint->pool.resolve_every = absl::Milliseconds(20);
    return endpoint;
  }
  // So many lookups were answered, and their answers taken.
  bool Looked(size_t times) {
    const size_t before = names_->hosts().size();
    return RunUntil([&] { return names_->hosts().size() >= before + times + 1; });
  }

  std::shared_ptr<FakeLookup> names_ = std::make_shared<FakeLookup>();
};

TEST_F(MovedHostTest, IdleConnectionsToWhereItWasAreClosed) {
  ScriptedServer server({RespondForever(kOk)});
  auto endpoint = Named(server.port());
  ASSERT_TRUE(Run(endpoint)->heard.ended());
  ASSERT_TRUE(Looked(2));
  EXPECT_EQ(Stats().idle, 1u) << "the answer has its address";
  names_->Answer({kThere});
  EXPECT_TRUE(RunUntil([&] { return Stats().open == 0; }));
  EXPECT_TRUE(ScriptedServer::Eventually([&] { return server.closed_by_client() == 1; }));
}

TEST_F(MovedHostTest, ABusyConnectionEndsItsCallAndTakesNoOther) {
  ScriptedServer server({RespondForever(kOk)});
  auto endpoint = Named(server.port());
  auto busy = Start(endpoint);
  ASSERT_TRUE(RunUntil([&] { return !busy->heard.events.empty(); }));
  busy->exchange->Pause();
  names_->Answer({kThere});
  ASSERT_TRUE(Looked(2));
  EXPECT_FALSE(busy->heard.done);
  busy->exchange->Resume();
  ASSERT_TRUE(RunUntil([&] { return busy->heard.done; }));
  EXPECT_TRUE(busy->heard.ended()) << busy->heard.message;
  EXPECT_EQ(Stats().open, 0u);
}

TEST_F(MovedHostTest, AnAddressAmongOthersIsStillOne) {
  ScriptedServer server({RespondForever(kOk)});
  auto endpoint = Named(server.port());
  Run(endpoint);
  names_->Answer({kThere, kHere});
  ASSERT_TRUE(Looked(2));
  EXPECT_THAT(Run(endpoint)->heard.events, ElementsAre("reused", "head 200", "body", "end"));
}

TEST_F(MovedHostTest, ALookupThatFailsChangesNothing) {
  ScriptedServer server({RespondForever(kOk)});
  auto endpoint = Named(server.port());
  Run(endpoint);
  names_->Answer({});
  ASSERT_TRUE(Looked(2));
  EXPECT_EQ(Stats().idle, 1u);
}

TEST_F(MovedHostTest, AnAddressIsNeverLookedUp) {
  ScriptedServer server({RespondForever(kOk)});
  auto endpoint = Endpoint(server.port());
  endpoint->pool.resolve_every = absl::Milliseconds(5);
  Run(endpoint);
  RunFor(absl::Milliseconds(30));
  EXPECT_THAT(names_->hosts(), ElementsAre());
}

TEST_F(MovedHostTest, WithoutConnectionsNobodyLooks) {
  ScriptedServer server({RespondForever(kOk)});
  auto endpoint = Named(server.port());
  endpoint->keep_idle = false;
  Run(endpoint);
  EXPECT_EQ(Stats().open, 0u);
  const size_t before = names_->hosts().size();
  RunFor(absl::Milliseconds(60));
  EXPECT_EQ(names_->hosts().size(), before);
}

// --- the decision alone -----------------------------------------------------

class HostWatchTest : public ::testing::Test {
 protected:
  HostWatch Watch(const std::string& host, const std::string& proxy = "") {
    HttpEndpoint endpoint;
    endpoint.host = host;
    endpoint.proxy = proxy;
    return HostWatch(loop_, endpoint, [this](const std::string& name, TimePoint) { asked_.push_back(name); });
  }
  static std::shared_ptr<const AddressList> Some(AddressList addresses) {
    return std::make_shared<const AddressList>(std::move(addresses));
  }

  SimulatedLoop loop_;
  std::vector<std::string> asked_;
};

TEST_F(HostWatchTest, AsksAtItsIntervalAndNotWhileAnAnswerIsOut) {
  HostWatch watch = Watch("api.example.com");
  loop_.RunFor(absl::Minutes(5));
  EXPECT_THAT(asked_, ElementsAre());
  watch.Begin();
  loop_.RunFor(absl::Seconds(29));
  EXPECT_THAT(asked_, ElementsAre());
  loop_.RunFor(absl::Seconds(61));
  EXPECT_THAT(asked_, ElementsAre("api.example.com"));
  watch.OnAnswer(loop_.Now(), nullptr);
  loop_.RunFor(absl::Seconds(30));
  EXPECT_EQ(asked_.size(), 2u);
  watch.OnAnswer(loop_.Now(), nullptr);
  watch.SetInterval(absl::Seconds(1));
  loop_.RunFor(absl::Seconds(1));
  EXPECT_EQ(asked_.size(), 3u);
  watch.OnAnswer(loop_.Now(), nullptr);
  watch.Rest();
  loop_.RunFor(absl::Minutes(5));
  EXPECT_EQ(asked_.size(), 3u);
}

TEST_F(HostWatchTest, WatchesWhomTheSocketsLeadTo) {
  HostWatch proxied = Watch("192.0.2.1", "http://user:secret@proxy.example.com:3128");
  HostWatch literal = Watch("api.example.com", "http://[2001:db8::1]:3128");
  HostWatch v6 = Watch("2001:db8::1");
  for (HostWatch* watch : {&proxied, &literal, &v6}) watch->Begin();
  loop_.RunFor(absl::Seconds(30));
  EXPECT_THAT(asked_, ElementsAre("proxy.example.com"));
}

TEST_F(HostWatchTest, AChangeIsRememberedAsLongAsCachesMayBeOld) {
  HostWatch watch = Watch("api.example.com");
  watch.OnAnswer(loop_.Now(), Some({kHere}));
  EXPECT_FALSE(watch.moved_lately());
  watch.OnAnswer(loop_.Now(), Some({kHere}));
  EXPECT_FALSE(watch.moved_lately());
  watch.OnAnswer(loop_.Now(), Some({kThere}));
  EXPECT_TRUE(watch.moved_lately());
  loop_.RunFor(absl::Seconds(30));
  EXPECT_FALSE(watch.moved_lately());
}

TEST(SystemNameLookup, KnowsLocalhostAndTellsWhatIsNoName) {
  auto names = MakeSystemNameLookup();
  std::mutex mutex;
  std::vector<std::shared_ptr<const AddressList>> answers;
  const auto count = [&] {
    std::lock_guard lock(mutex);
    return answers.size();
  };
  const auto keep = [&](std::shared_ptr<const AddressList> answer) {
    std::lock_guard lock(mutex);
    answers.push_back(std::move(answer));
  };
  names->Look("localhost", keep);
  names->Look("localhost", keep);
  ASSERT_TRUE(ScriptedServer::Eventually([&] { return count() == 2; }));
  for (const auto& answer : answers) {
    ASSERT_NE(answer, nullptr);
    EXPECT_THAT(*answer, ::testing::Contains(kHere));
  }
  names->Look("no name at all", keep);
  ASSERT_TRUE(ScriptedServer::Eventually([&] { return count() == 3; }));
  EXPECT_EQ(answers[2], nullptr);
}

}  // namespace
}  // namespace sluice
